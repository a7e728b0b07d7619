#!/bin/sh
# Our JSON reader beside jansson, and where the time of a batch goes: ./dev bench json [--json]
set -eu
# A release build made before jansson was there has left this program out.
if [ ! -x "$FRESHET_BUILD/bin/bench_json" ]; then
	cmake "$FRESHET_BUILD" >&2
	cmake --build "$FRESHET_BUILD" --target bench_json >&2
fi
exec "$FRESHET_BUILD/bin/bench_json" "$@"
