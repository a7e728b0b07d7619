# The functions of cmake/Freshet.cmake for an image: portable sources are added to Zephyr's app.

function(freshet_collect)
  cmake_parse_arguments(PARSE_ARGV 0 c PORTABLE "NAME;TIMEOUT" "SOURCES;LINK;LABELS")
  if(c_PORTABLE)
    list(TRANSFORM c_SOURCES PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
    target_sources(app PRIVATE ${c_SOURCES})
    set(collected ${c_NAME} PARENT_SCOPE)
  else()
    set(collected "" PARENT_SCOPE)
  endif()
endfunction()

function(freshet_module)
  freshet_collect(${ARGN})
endfunction()

function(freshet_suite)
  freshet_collect(${ARGN})
  if(collected)
    set_property(GLOBAL APPEND PROPERTY FRESHET_PORTABLE_SUITES suite_${collected})
  endif()
endfunction()

# Libraries, programs and other tests need an operating system.
foreach(skip freshet_need freshet_program freshet_test freshet_fuzz)
  function(${skip})
  endfunction()
endforeach()
