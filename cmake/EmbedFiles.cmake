# cmake -D FOLDER=... -D NAMES=index.html,app.js -D OUT=web_files.c -P EmbedFiles.cmake
# Writes the files as `web_files[]` of cloud/web/web_priv.h.
cmake_minimum_required(VERSION 3.25)
string(REPLACE "," ";" NAMES "${NAMES}")
set(type_html "text/html; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_svg "image/svg+xml")

set(texts "")
set(rows "")
set(number 0)
foreach(name IN LISTS NAMES)
  get_filename_component(ext ${name} LAST_EXT)
  string(SUBSTRING ${ext} 1 -1 ext)
  if(NOT type_${ext})
    message(FATAL_ERROR "${name}: no Content-Type for .${ext} in EmbedFiles.cmake")
  endif()
  file(READ ${FOLDER}/${name} hex HEX)
  file(SHA256 ${FOLDER}/${name} sum)
  string(SUBSTRING ${sum} 0 16 sum)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "((0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,)(0x..,))" "\\1\n\t" bytes "${bytes}")
  string(APPEND texts "static const unsigned char file_${number}[] = {\n\t${bytes}0};\n\n")
  string(APPEND rows "\t{\"/${name}\", \"${type_${ext}}\", \"\\\"${sum}\\\"\", file_${number},\n"
    "\t sizeof(file_${number}) - 1},\n")
  math(EXPR number "${number} + 1")
endforeach()
file(WRITE ${OUT} "/* Made by cmake/EmbedFiles.cmake. */
#include \"cloud/web/web_priv.h\"

${texts}const struct web_file web_files[] = {
${rows}};
const size_t web_file_count = sizeof(web_files) / sizeof(web_files[0]);
")
