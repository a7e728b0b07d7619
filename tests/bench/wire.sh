#!/bin/sh
# What a record costs on the wire: ./dev bench wire [--json]
set -eu
exec "$FRESHET_BUILD/bin/bench_wire" "$@"
