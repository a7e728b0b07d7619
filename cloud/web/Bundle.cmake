# cmake -D SOURCE=cloud/web -D WORK=build/web -D OUT=.../web_assets -P Bundle.cmake
#
# Bundles the page with npm and esbuild in WORK, which all build trees share: packages are fetched
# when the lock file changes, the bundle is made when a source changes, and otherwise nothing runs.
# Then writes OUT.c: the files as `const struct http_assets web_assets`.
cmake_minimum_required(VERSION 3.25)
include(${CMAKE_CURRENT_LIST_DIR}/../../cmake/EmbedBytes.cmake)

set(files index.html app.js app.css favicon.svg)
set(path_index.html "/")
set(type_.html "text/html; charset=utf-8")
set(type_.js "text/javascript; charset=utf-8")
set(type_.css "text/css; charset=utf-8")
set(type_.svg "image/svg+xml")

file(MAKE_DIRECTORY ${WORK})
file(LOCK ${WORK}/lock TIMEOUT 600)

function(sum_of out)
  set(sums "")
  foreach(file IN LISTS ARGN)
    file(SHA256 ${SOURCE}/${file} sum)
    string(APPEND sums "${file} ${sum}\n")
  endforeach()
  string(SHA256 all "${sums}")
  set(${out} ${all} PARENT_SCOPE)
endfunction()

function(is_made out key what)
  set(${out} FALSE PARENT_SCOPE)
  if(EXISTS ${WORK}/${what}.key)
    file(READ ${WORK}/${what}.key old)
    if(old STREQUAL key)
      set(${out} TRUE PARENT_SCOPE)
    endif()
  endif()
endfunction()

function(run)
  execute_process(COMMAND ${ARGN} WORKING_DIRECTORY ${WORK} RESULT_VARIABLE status
    OUTPUT_VARIABLE text ERROR_VARIABLE text)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "cloud/web: ${ARGN} failed (${status}); without the page: "
      "-DCONFIG_DASHBOARD=n\n${text}")
  endif()
endfunction()

set(package package.json package-lock.json .npmrc)
sum_of(package_key ${package})
is_made(have_packages ${package_key} packages)
if(NOT have_packages OR NOT IS_DIRECTORY ${WORK}/node_modules)
  message(STATUS "fetching the packages of the page (npm ci)")
  foreach(file IN LISTS package)
    configure_file(${SOURCE}/${file} ${WORK}/${file} COPYONLY)
  endforeach()
  run(npm ci --no-progress)
  file(WRITE ${WORK}/packages.key ${package_key})
endif()

file(GLOB_RECURSE sources RELATIVE ${SOURCE} ${SOURCE}/src/*)
list(SORT sources)
sum_of(bundle_key ${package} build.mjs tsconfig.json ${sources})
is_made(have_bundle ${bundle_key} bundle)
if(NOT have_bundle)
  file(REMOVE_RECURSE ${WORK}/src ${WORK}/dist)
  foreach(file IN LISTS sources ITEMS build.mjs tsconfig.json)
    get_filename_component(folder ${WORK}/${file} DIRECTORY)
    file(MAKE_DIRECTORY ${folder})
    file(COPY_FILE ${SOURCE}/${file} ${WORK}/${file})
  endforeach()
  run(node build.mjs dist)
  file(WRITE ${WORK}/bundle.key ${bundle_key})
endif()

if(NOT OUT)
  return()
endif()
set(arrays "")
set(rows "")
set(number 0)
foreach(file IN LISTS files)
  math(EXPR number "${number} + 1")
  embed_bytes(array ${WORK}/dist/${file} file_${number})
  file(SHA256 ${WORK}/dist/${file} sum)
  string(SUBSTRING ${sum} 0 32 tag)
  get_filename_component(extension ${file} LAST_EXT)
  set(path "/${file}")
  if(path_${file})
    set(path ${path_${file}})
  endif()
  string(APPEND arrays "${array}")
  string(APPEND rows "\t{\"${path}\", \"${type_${extension}}\", \"\\\"${tag}\\\"\",\n"
    "\t file_${number}, sizeof(file_${number}) - 1},\n")
endforeach()
file(WRITE ${OUT}.c "/* Made by cloud/web/Bundle.cmake. */
#include \"cloud/http/assets.h\"

${arrays}static const struct http_asset files[] = {
${rows}};

const struct http_assets web_assets = {files, ${number}};
")
