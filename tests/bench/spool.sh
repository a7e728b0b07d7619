#!/bin/sh
# Appends to the spool beside plain SQLite inserts of the same size, on the disk of this tree:
# ./dev bench spool [--json]
set -eu
exec "$FRESHET_BUILD/bin/bench_spool" "$FRESHET_BUILD" "$@"
