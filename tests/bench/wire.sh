#!/bin/sh
# What a record costs on the wire, of simulated vehicles and, where there are some in FRESHET_FIXTURES
# (default ../shared/fixtures), of recorded ones: ./dev bench wire [--json]
set -eu
status=0
"$FRESHET_BUILD/bin/bench_wire" "$@" || status=1
for log in "${FRESHET_FIXTURES:-../shared/fixtures}"/j1939/*.log; do
	[ ! -e "$log" ] || "$FRESHET_BUILD/bin/bench_wire_log" "$@" "$log" || status=1
done
exit $status
