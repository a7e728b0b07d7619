# freshet_need(NAME...): find libraries when a room that is built needs them. Each becomes one
# imported target, PkgConfig::<NAME>, that a module names under LINK.
#
#   SQLITE3 ZSTD MOSQUITTO WEBSOCKETS INIH OPENSSL   by pkg-config
#   CMOCKA JANSSON                                   the same, for tests alone
#   MBEDCRYPTO                                       no .pc file: searched for
#   THREADS                                          -> Threads::Threads

find_package(PkgConfig REQUIRED)

set(freshet_pc_SQLITE3 sqlite3)
set(freshet_pc_JANSSON jansson)
set(freshet_pc_ZSTD libzstd)
set(freshet_pc_MOSQUITTO libmosquitto)
set(freshet_pc_WEBSOCKETS libwebsockets)
set(freshet_pc_INIH inih)
set(freshet_pc_OPENSSL openssl)
set(freshet_pc_CMOCKA cmocka)
set(freshet_lib_MBEDCRYPTO mbedcrypto)

function(freshet_need)
  if(FRESHET_BARE)
    return()
  endif()
  foreach(name IN LISTS ARGN)
    if(name STREQUAL THREADS)
      set(THREADS_PREFER_PTHREAD_FLAG ON)
      find_package(Threads REQUIRED GLOBAL)
    elseif(TARGET PkgConfig::${name})
      continue()
    elseif(DEFINED freshet_pc_${name})
      pkg_check_modules(${name} REQUIRED QUIET IMPORTED_TARGET GLOBAL ${freshet_pc_${name}})
    elseif(DEFINED freshet_lib_${name})
      find_library(FRESHET_LIB_${name} NAMES ${freshet_lib_${name}} REQUIRED)
      find_path(FRESHET_INC_${name} NAMES mbedtls/version.h REQUIRED)
      add_library(PkgConfig::${name} UNKNOWN IMPORTED GLOBAL)
      set_target_properties(PkgConfig::${name} PROPERTIES
        IMPORTED_LOCATION ${FRESHET_LIB_${name}}
        INTERFACE_INCLUDE_DIRECTORIES ${FRESHET_INC_${name}})
    else()
      message(FATAL_ERROR "freshet_need(${name}): not known; add it to cmake/Dependencies.cmake")
    endif()
  endforeach()
endfunction()
