# Tests of the bindings: python.<file>, lua.<file>.<interpreter>, openresty.<file>, and bindings.cross, which needs a real Kafka;
# python.wheel: the package as pip installs it.
# What builds the library anew, as users do, compiles each source once for all of them; it takes long, and begins first.
set(kca_compile_once CMAKE_C_COMPILER_LAUNCHER=${CMAKE_CURRENT_SOURCE_DIR}/compile_once)
set(python_folder ${PROJECT_BINARY_DIR}/bindings/python)
set(lua_folder ${PROJECT_BINARY_DIR}/bindings/lua)

function(kca_add_pytest name label file)
  add_test(NAME ${name} COMMAND ${KCA_PYTHON} -m pytest -q -p no:cacheprovider ${file})
  set_tests_properties(${name} PROPERTIES LABELS ${label} TIMEOUT ${KCA_TEST_SECONDS} ENVIRONMENT
    "PYTHONPATH=${python_folder}:${CMAKE_CURRENT_SOURCE_DIR}/python;PYTHONDONTWRITEBYTECODE=1;${ARGN}")
endfunction()

# Tests with tools that Debian does not have: kca_add_tooled_pytest(<name> <file> [<variable>...])
set(python_tools ${PROJECT_SOURCE_DIR}/build/python-tools/bin/python)
function(kca_add_tooled_pytest name file)
  add_test(NAME ${name} COMMAND ${python_tools} -m pytest -q -p no:cacheprovider ${file})
  set_tests_properties(${name} PROPERTIES LABELS python TIMEOUT ${KCA_TEST_SECONDS} FIXTURES_REQUIRED python_tools
    ENVIRONMENT "PYTHONPATH=${python_folder}:${CMAKE_CURRENT_SOURCE_DIR}/python;PYTHONDONTWRITEBYTECODE=1;${ARGN}")
endfunction()

if(KCA_BUILD_PYTHON)
  # kca/builders.py is written from the header and the option tables.
  add_test(NAME python.builders COMMAND ${Python3_EXECUTABLE} ${PROJECT_SOURCE_DIR}/bindings/python/write_builders --check ${PROJECT_BINARY_DIR})
  set_tests_properties(python.builders PROPERTIES LABELS python TIMEOUT ${KCA_TEST_SECONDS})
  add_test(NAME python.tools COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/python/tools ${KCA_PYTHON})
  set_tests_properties(python.tools PROPERTIES LABELS python TIMEOUT ${KCA_TEST_SECONDS} FIXTURES_SETUP python_tools)
  file(GLOB sources CONFIGURE_DEPENDS python/test_*.py)
  foreach(source ${sources})
    string(REGEX REPLACE "^.*/test_(.*)\\.py$" "\\1" name ${source})
    kca_add_tooled_pytest(python.${name} ${source})
  endforeach()
  foreach(page python telemetry)
    add_test(NAME docs.${page}
             COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/docs/snippets ${PROJECT_SOURCE_DIR}/docs/${page}.md python
                     ${python_tools} {})
    set_tests_properties(docs.${page} PROPERTIES LABELS python TIMEOUT ${KCA_TEST_SECONDS} FIXTURES_REQUIRED python_tools
                         ENVIRONMENT PYTHONPATH=${python_folder})
  endforeach()
  add_test(NAME docs.command_line
           COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/docs/snippets ${PROJECT_SOURCE_DIR}/docs/command-line.md sh
                   ${python_tools} ${CMAKE_CURRENT_SOURCE_DIR}/docs/command_line {})
  set_tests_properties(docs.command_line PROPERTIES LABELS python TIMEOUT ${KCA_TEST_SECONDS} FIXTURES_REQUIRED python_tools
                       ENVIRONMENT PYTHONPATH=${python_folder})
  kca_add_tooled_pytest(python.wheel ${CMAKE_CURRENT_SOURCE_DIR}/wheel/test_wheel.py ${kca_compile_once})
  set_tests_properties(python.wheel python.command_line PROPERTIES COST 100)
endif()

# The strangers of docs/wire.md on a real Kafka: Confluent's client, Java's, and kafka-go.
if(KCA_BUILD_PYTHON)
  add_test(NAME docs.wire COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/docs/wire ${KCA_PYTHON})
  set_tests_properties(docs.wire PROPERTIES LABELS bindings TIMEOUT ${KCA_TEST_SECONDS} ENVIRONMENT PYTHONPATH=${python_folder})

  # A real Spring application and a real worker of Kafka Connect: in the long form of tests/run.
  add_test(NAME foreign.tools COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/foreign/tools applications)
  set_tests_properties(foreign.tools PROPERTIES LABELS foreign TIMEOUT ${KCA_TEST_SECONDS} FIXTURES_SETUP foreign_tools)
  kca_add_tooled_pytest(foreign.both_sides ${CMAKE_CURRENT_SOURCE_DIR}/foreign/test_both_sides.py)
  set_tests_properties(foreign.both_sides PROPERTIES LABELS foreign FIXTURES_REQUIRED "python_tools;foreign_tools")
endif()

# kca_add_lua_tests(<interpreter> <ABI of its modules> <module>)
function(kca_add_lua_tests interpreter abi module)
  find_program(KCA_${interpreter} ${interpreter})
  if(NOT KCA_${interpreter} OR NOT TARGET kca_lua${abi})
    message(STATUS "${interpreter} is not here: no tests of ${module} with it")
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS lua/*_test.lua)
  foreach(source ${sources})
    string(REGEX REPLACE "^.*/(.*)_test\\.lua$" "\\1" name ${source})
    set(test lua.${name}.${interpreter}.${module})
    add_test(NAME ${test} COMMAND ${KCA_${interpreter}} ${CMAKE_CURRENT_SOURCE_DIR}/lua/check.lua ${source})
    set_tests_properties(${test} PROPERTIES LABELS lua TIMEOUT ${KCA_TEST_SECONDS} ENVIRONMENT
      "KCA_LUA_MODULE=${module};LUA_PATH=${lua_folder}/?.lua\;\;;LUA_CPATH=${lua_folder}/${abi}/?.so\;\;")
  endforeach()
endfunction()

if(KCA_BUILD_LUA)
  kca_add_lua_tests(lua5.1 5.1 kca)
  kca_add_lua_tests(lua5.4 5.4 kca)
  kca_add_lua_tests(luajit 5.1 kca)
  kca_add_lua_tests(luajit 5.1 kca_ffi)
endif()

# resty.kca in a real nginx, each test with its own: openresty.<file>. They look into topics with the Python module.
if(KCA_BUILD_PYTHON AND KCA_BUILD_LUA)
  file(GLOB sources CONFIGURE_DEPENDS openresty/test_*.py)
  foreach(source ${sources})
    string(REGEX REPLACE "^.*/test_(.*)\\.py$" "openresty.\\1" name ${source})
    kca_add_pytest(${name} lua ${source} KCA_LUA_FOLDER=${lua_folder}
                   KCA_BUILD_FOLDER=${PROJECT_BINARY_DIR} ${kca_compile_once})
  endforeach()
  set_tests_properties(openresty.packages openresty.example PROPERTIES COST 100)
  set_tests_properties(openresty.leaving PROPERTIES RESOURCE_LOCK proxy)
endif()

if(KCA_BUILD_PYTHON AND KCA_BUILD_LUA)
  add_executable(bindings_peer bindings/peer.c)
  target_link_libraries(bindings_peer PRIVATE kca kca_options)
  foreach(name cross hostile postgres)
    kca_add_pytest(bindings.${name} bindings ${CMAKE_CURRENT_SOURCE_DIR}/bindings/${name}_test.py
      KCA_PEER_C=$<TARGET_FILE:bindings_peer> KCA_LUA=${KCA_lua5.1} KCA_LUAJIT=${KCA_luajit}
      LUA_PATH=${lua_folder}/?.lua "LUA_CPATH=${lua_folder}/5.1/?.so\;\;" KCA_LUA_FOLDER=${lua_folder})
  endforeach()
endif()
