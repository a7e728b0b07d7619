# board/<BOARD>/defconfig -> .config -> autoconf.h and CONFIG_* variables of CMake.
# One configuration a build tree. -DCONFIG_X=value overrides the defconfig and is remembered.
# Targets: menuconfig (edit this tree's .config), savedefconfig (write it back to the board).

set(BOARD native_sim CACHE STRING "board/<BOARD>/defconfig to start from")
set(dotconfig ${CMAKE_BINARY_DIR}/.config)
set(defconfig ${CMAKE_SOURCE_DIR}/board/${BOARD}/defconfig)
set(FRESHET_GENERATED ${CMAKE_BINARY_DIR}/generated)
if(NOT EXISTS ${defconfig})
  message(FATAL_ERROR "BOARD=${BOARD}: there is no ${defconfig}")
endif()
file(MAKE_DIRECTORY ${FRESHET_GENERATED})

# Debian's own interpreter holds python3-kconfiglib; another python3 may come first in PATH.
find_program(FRESHET_PYTHON NAMES python3 PATHS /usr/bin NO_DEFAULT_PATH)
if(NOT FRESHET_PYTHON)
  find_program(FRESHET_PYTHON NAMES python3 REQUIRED)
endif()
set(kenv ${CMAKE_COMMAND} -E env srctree=${CMAKE_SOURCE_DIR} BOARD=${BOARD}
  KCONFIG_CONFIG=${dotconfig} CONFIG_=CONFIG_)

# Overrides are kept apart from the cache entries they came by, so that they survive a changed
# defconfig and so that menuconfig's later word on the same symbol is not overruled for ever.
get_cmake_property(cached CACHE_VARIABLES)
set(fresh)
foreach(v IN LISTS cached)
  if(v MATCHES "^CONFIG_[A-Z0-9_]+$")
    list(APPEND fresh "${v}=${${v}}")
    unset(${v} CACHE)
  endif()
endforeach()
set(kept ${FRESHET_KCONFIG_OVERRIDES})
foreach(o IN LISTS fresh)
  string(REGEX REPLACE "=.*" "" name "${o}")
  list(FILTER kept EXCLUDE REGEX "^${name}=")
  list(APPEND kept "${o}")
endforeach()

# The defconfig wins over an older .config, so a pulled change is never ignored; otherwise the
# edits of menuconfig survive.
file(SHA256 ${defconfig} def_sum)
if(EXISTS ${dotconfig} AND "${BOARD}:${def_sum}" STREQUAL "${FRESHET_KCONFIG_FROM}")
  set(from ${dotconfig})
  set(apply ${fresh})
else()
  set(from ${defconfig})
  set(apply ${kept})
endif()

execute_process(
  COMMAND ${kenv} ${FRESHET_PYTHON} ${CMAKE_SOURCE_DIR}/cmake/kconf.py ${CMAKE_SOURCE_DIR}/Kconfig
          ${from} ${dotconfig} ${FRESHET_GENERATED}/autoconf.h ${FRESHET_GENERATED}/kconfig.deps
          ${apply}
  RESULT_VARIABLE status)
if(NOT status EQUAL 0)
  message(FATAL_ERROR "The options cannot be used: the lines above say which and why. An option that "
    "is gone may still stand in ${dotconfig}: delete that file to begin from board/${BOARD}.")
endif()
set(FRESHET_KCONFIG_FROM "${BOARD}:${def_sum}" CACHE INTERNAL "")
set(FRESHET_KCONFIG_OVERRIDES "${kept}" CACHE INTERNAL "")

file(STRINGS ${FRESHET_GENERATED}/kconfig.deps deps)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS
  ${deps} ${defconfig} ${dotconfig} ${CMAKE_SOURCE_DIR}/cmake/kconf.py)

file(STRINGS ${dotconfig} lines REGEX "^CONFIG_")
foreach(line IN LISTS lines)
  if(line MATCHES "^(CONFIG_[A-Z0-9_]+)=\"?([^\"]*)\"?$")
    set(${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
  endif()
endforeach()

add_custom_target(menuconfig
  COMMAND ${kenv} ${FRESHET_PYTHON} -m menuconfig ${CMAKE_SOURCE_DIR}/Kconfig
  USES_TERMINAL VERBATIM)
add_custom_target(savedefconfig
  COMMAND ${kenv} ${FRESHET_PYTHON} -m savedefconfig --kconfig ${CMAKE_SOURCE_DIR}/Kconfig
          --out ${defconfig}
  USES_TERMINAL VERBATIM)

add_library(freshet_config INTERFACE)
target_include_directories(freshet_config INTERFACE ${FRESHET_GENERATED})
target_compile_options(freshet_config INTERFACE -include ${FRESHET_GENERATED}/autoconf.h)
