#!/bin/sh
# What listening to a full bus costs: ./dev bench can [--json] [--interface vcan0]
set -eu
exec "$FRESHET_BUILD/bin/bench_can" "$@"
