#!/bin/sh
# Does the core's cost of a batch, or the room of a finished epoch, grow with history?
# ./dev bench ledger [--json]
set -eu
exec "$FRESHET_BUILD/bin/bench_ledger" "$FRESHET_BUILD" "$@"
