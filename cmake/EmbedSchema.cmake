# cmake -D NAME=core -D FOLDER=.../core -D OUT=.../schema_core -P EmbedSchema.cmake
# Writes OUT.c and OUT.h: the folder's migrations as one `const struct schema_set schema_<NAME>`.
# Bytes rather than string literals, which C11 bounds at 4095 characters.
cmake_minimum_required(VERSION 3.25)
file(GLOB files RELATIVE ${FOLDER} ${FOLDER}/*.sql)
list(SORT files)

set(texts "")
set(rows "")
set(number 0)
foreach(file IN LISTS files)
  math(EXPR number "${number} + 1")
  string(LENGTH ${number} digits)
  math(EXPR pad "4 - ${digits}")
  string(REPEAT 0 ${pad} zeros)
  if(NOT file MATCHES "^${zeros}${number}_[a-z0-9_]+\\.sql$")
    message(FATAL_ERROR "${FOLDER}/${file}: want ${zeros}${number}_name.sql (no hole, a-z 0-9 _)")
  endif()
  file(READ ${FOLDER}/${file} hex HEX)
  file(SHA256 ${FOLDER}/${file} sum)
  string(REGEX REPLACE "(..)" "0x\\1, " bytes "${hex}")
  string(REGEX REPLACE "(0x.., 0x.., 0x.., 0x.., 0x.., 0x.., 0x.., 0x.., )" "\\1\n\t" bytes
    "${bytes}")
  string(APPEND texts "static const unsigned char text_${number}[] = {\n\t${bytes}0};\n\n")
  string(APPEND rows "\t{\"${file}\", (const char *)text_${number},\n\t \"${sum}\"},\n")
endforeach()
if(number EQUAL 0)
  message(FATAL_ERROR "${FOLDER}: no migrations")
endif()

get_filename_component(header ${OUT} NAME)
file(WRITE ${OUT}.h "/* Made by cmake/EmbedSchema.cmake. */
#ifndef SCHEMA_SET_${NAME}
#define SCHEMA_SET_${NAME}

#include \"storage/schema/schema.h\"

extern const struct schema_set schema_${NAME};

#endif
")
file(WRITE ${OUT}.c "/* Made by cmake/EmbedSchema.cmake. */
#include \"${header}.h\"

${texts}static const struct schema_file files[] = {
${rows}};

const struct schema_set schema_${NAME} = {\"${NAME}\", files, ${number}};
")
