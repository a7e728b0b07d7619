#!/bin/sh
# check_config.sh AGENT FOLDER: each broken configuration of FOLDER must be refused with status 2 and
# with the messages that its lines `# expect TEXT` begin to tell: ":LINE: [section] key: expected ...".
set -u
agent=$1
folder=$2
failed=0
count=0

for conf in "$folder"/*.conf; do
	name=${conf##*/}
	count=$((count + 1))
	said=$("$agent" check-config -c "$conf" 2>&1 >/dev/null)
	status=$?
	printf '%s\n' "$said"
	if [ "$status" -ne 2 ]; then
		echo "FAILED $name: exit status $status, not 2"
		failed=1
	fi
	case $said in
	*"$name"*) ;;
	*)
		echo "FAILED $name: the file is not named"
		failed=1
		;;
	esac
	sed -n 's/^# expect //p' "$conf" >"${TMPDIR:-/tmp}/expect.$$"
	while read -r want; do
		case $said in
		*"$want"*) ;;
		*)
			echo "FAILED $name: no '$want'"
			failed=1
			;;
		esac
	done <"${TMPDIR:-/tmp}/expect.$$"
	rm -f "${TMPDIR:-/tmp}/expect.$$"
done
[ "$count" -ge 10 ] || failed=1
echo "$count configurations"
exit $failed
