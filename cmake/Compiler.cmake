# The language, the warnings and the hardening, each in one INTERFACE target.

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

# A target without an operating system (cross/cortex-m.cmake): portable modules only.
if(CMAKE_SYSTEM_NAME STREQUAL Generic)
  set(FRESHET_BARE TRUE)
else()
  set(FRESHET_BARE FALSE)
endif()

set(FRESHET_SANITIZE "" CACHE STRING "sanitizers, e.g. address,undefined or thread")
option(FRESHET_COVERAGE "count executed lines" OFF)
option(FRESHET_FUZZ "build the fuzzers for libFuzzer (needs clang)" OFF)
set(FRESHET_TEST_TAG "" CACHE STRING
  "labels the unit suites of this tree and marks their names, e.g. asan")

add_library(freshet_warnings INTERFACE)
target_compile_options(freshet_warnings INTERFACE
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes
  -Wformat=2 -Wundef -Wvla -Wpointer-arith -Wwrite-strings)

add_library(freshet_hardening INTERFACE)
if(NOT FRESHET_BARE)
  set(CMAKE_POSITION_INDEPENDENT_CODE ON)
  include(CheckPIESupported)
  check_pie_supported(LANGUAGES C)
  target_compile_options(freshet_hardening INTERFACE -ffunction-sections -fdata-sections)
  target_link_options(freshet_hardening INTERFACE -Wl,--gc-sections)
  if(FRESHET_SANITIZE)
    target_compile_options(freshet_hardening INTERFACE
      -fsanitize=${FRESHET_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    target_link_options(freshet_hardening INTERFACE -fsanitize=${FRESHET_SANITIZE})
  elseif(NOT CMAKE_BUILD_TYPE STREQUAL Debug)
    target_compile_options(freshet_hardening INTERFACE
      -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong)
    target_link_options(freshet_hardening INTERFACE -Wl,-z,relro -Wl,-z,now)
  endif()
  if(FRESHET_COVERAGE)
    target_compile_options(freshet_hardening INTERFACE --coverage -fprofile-update=atomic)
    target_link_options(freshet_hardening INTERFACE --coverage)
  endif()
  if(FRESHET_FUZZ)
    target_compile_options(freshet_hardening INTERFACE -fsanitize=fuzzer-no-link)
  endif()
endif()
