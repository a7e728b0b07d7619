#!/bin/sh
# check_fixtures.sh PROGRAM: the runner over recorded cases, where somebody says in which folder they
# are; ctest shows it as skipped elsewhere.
set -eu
if [ -z "${FRESHET_FIXTURES:-}" ]; then
	echo "FRESHET_FIXTURES is not set"
	exit 0
fi
exec "$1" "$FRESHET_FIXTURES"
