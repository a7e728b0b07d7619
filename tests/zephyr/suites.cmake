# suites.h: the list of suites of an image, as an X-macro.
function(freshet_suite_list file)
  set(text "/* Generated. */\n#define FRESHET_SUITES(X)")
  foreach(suite IN LISTS ARGN)
    string(APPEND text " X(${suite})")
  endforeach()
  file(WRITE ${file} "${text}\n")
endfunction()
