# freshet_cmocka: cmocka for this target. Linux takes the distribution's library; a bare target
# compiles cmocka's one source from FRESHET_CMOCKA_SOURCE (./dev fetches Debian's source package).
if(NOT FRESHET_BARE)
  freshet_need(CMOCKA)
  add_library(freshet_cmocka INTERFACE)
  target_link_libraries(freshet_cmocka INTERFACE PkgConfig::CMOCKA)
  return()
endif()

set(FRESHET_CMOCKA_SOURCE "" CACHE PATH "cmocka's unpacked source")
if(NOT EXISTS ${FRESHET_CMOCKA_SOURCE}/src/cmocka.c)
  message(FATAL_ERROR "FRESHET_CMOCKA_SOURCE=${FRESHET_CMOCKA_SOURCE}: no src/cmocka.c there; "
    "./dev test fetches it, or: apt-get source cmocka")
endif()
add_library(freshet_cmocka STATIC ${FRESHET_CMOCKA_SOURCE}/src/cmocka.c)
target_include_directories(freshet_cmocka SYSTEM PUBLIC ${FRESHET_CMOCKA_SOURCE}/include)
target_compile_definitions(freshet_cmocka
  PRIVATE HAVE_MALLOC_H HAVE_INTTYPES_H HAVE_SIGNAL_H HAVE_STRINGS_H HAVE_STRUCT_TIMESPEC
  PUBLIC _UINTPTR_T_DEFINED)
set_target_properties(freshet_cmocka PROPERTIES C_EXTENSIONS ON COMPILE_WARNING_AS_ERROR OFF)
target_compile_options(freshet_cmocka PRIVATE -w)
