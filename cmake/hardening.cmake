# How what users load is built: an overflow ends the process instead of writing on, and nothing that is executed or holds
# addresses of functions can be written. tests/structure/hardening_test.py looks at the built files.
include(CheckCCompilerFlag)
check_c_compiler_flag(-fcf-protection=full KCA_HAS_CF_PROTECTION)
add_library(kca_hardening INTERFACE)
target_compile_options(kca_hardening INTERFACE -fstack-protector-strong $<$<BOOL:${KCA_HAS_CF_PROTECTION}>:-fcf-protection=full>)
target_link_options(kca_hardening INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
if(NOT KCA_SANITIZE) # sanitizers look at the same calls; without optimization the C library refuses
  target_compile_options(kca_hardening INTERFACE
                         $<$<CONFIG:Release,RelWithDebInfo,MinSizeRel>:-U_FORTIFY_SOURCE$<SEMICOLON>-D_FORTIFY_SOURCE=2>)
endif()
