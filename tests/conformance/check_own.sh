#!/bin/sh
# check_own.sh PROGRAM OWN-FOLDER: the runner over cases of our own, right ones and bad ones: what it
# prints and its exit status.
set -eu
program=$1
own=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

fail() {
	printf 'check_own: %s\n' "$*" >&2
	failed=1
}

# run NAME STATUS ARGUMENTS...: compares with NAME.out and NAME.err.
run() {
	name=$1
	want=$2
	shift 2
	status=0
	"$program" "$@" >"$work/out" 2>"$work/err" || status=$?
	[ "$status" = "$want" ] || fail "$name: exit status $status, want $want"
	diff -u "$own/$name.out" "$work/out" || fail "$name: another report"
	diff -u "$own/$name.err" "$work/err" || fail "$name: other errors"
}

run good 0 --profiles "$own/profiles" --verbose "$own/good"
run json 0 --profiles "$own/profiles" --json "$own/good"
run bad 1 --profiles "$own/profiles" --verbose "$own/bad"

status=0
"$program" "$own/absent" >"$work/out" 2>"$work/err" || status=$?
[ "$status" = 1 ] || fail "a folder that is not there: exit status $status, want 1"
grep -q "absent: No such file or directory: there are no cases to run" "$work/err" ||
	fail "a folder that is not there is not said"

mkdir "$work/none"
echo 'no case' >"$work/none/readme.txt"
status=0
"$program" "$work/none" >"$work/out" 2>"$work/err" || status=$?
[ "$status" = 1 ] || fail "a folder without cases: exit status $status, want 1"
grep -q "none: no file of cases that this build can run" "$work/err" ||
	fail "a folder without cases is not said"

status=0
"$program" >"$work/out" 2>"$work/err" || status=$?
[ "$status" = 2 ] || fail "no folder: exit status $status, want 2"
exit $failed
