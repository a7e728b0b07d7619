# embed_bytes(OUT FILE SYMBOL): C text of a NUL-terminated array with the file's bytes. Bytes rather
# than string literals, which C11 bounds at 4095 characters.
function(embed_bytes out file symbol)
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "(..)" "0x\\1, " bytes "${hex}")
  string(REGEX REPLACE "(0x.., 0x.., 0x.., 0x.., 0x.., 0x.., 0x.., 0x.., )" "\\1\n\t" bytes
    "${bytes}")
  set(${out} "static const unsigned char ${symbol}[] = {\n\t${bytes}0};\n\n" PARENT_SCOPE)
endfunction()
