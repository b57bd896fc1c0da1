# make install: both libraries, the two headers, pkg-config and CMake packages.
include(CMakePackageConfigHelpers)

install(TARGETS kca kca_static LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(FILES abi/kca.h abi/kca_abi.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})

# The installation may be moved as a whole: kca.pc finds its prefix from its own place.
file(RELATIVE_PATH KCA_PC_PREFIX "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" "${CMAKE_INSTALL_PREFIX}")
string(REGEX REPLACE "/$" "" KCA_PC_PREFIX "${KCA_PC_PREFIX}")
cmake_path(APPEND KCA_PC_LIBDIR "\${prefix}" "${CMAKE_INSTALL_LIBDIR}")
cmake_path(APPEND KCA_PC_INCLUDEDIR "\${prefix}" "${CMAKE_INSTALL_INCLUDEDIR}")
configure_file(abi/kca.pc.in kca.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/kca.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

configure_package_config_file(abi/kcaConfig.cmake.in kcaConfig.cmake INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kca
                              PATH_VARS CMAKE_INSTALL_FULL_LIBDIR CMAKE_INSTALL_FULL_INCLUDEDIR)
write_basic_package_version_file(kcaConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/kcaConfig.cmake ${CMAKE_CURRENT_BINARY_DIR}/kcaConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/kca)
