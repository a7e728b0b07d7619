#!/bin/sh
# What an answer of a vehicle costs from the adapter's text to values: ./dev bench decode [--json]
set -eu
exec "$FRESHET_BUILD/bin/bench_decode" "$@"
