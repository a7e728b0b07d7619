#!/bin/sh
# compare.sh PROGRAM PAGE: is the committed page what the program prints?
set -eu
"$1" | diff -u "$2" - || {
	echo "$2 is not what model/fields.def says; run: cmake --build build/dev --target docs" >&2
	exit 1
}
