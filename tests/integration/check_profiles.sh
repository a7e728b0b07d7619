#!/bin/sh
# check_profiles.sh AGENT FOLDER: every profile of FOLDER loads and is shown; what a profile may not ask
# is refused with status 2, file and line; an answer becomes values.
set -u
agent=$1
folder=$2
failed=0
count=0
room=$(mktemp -d "${TMPDIR:-/tmp}/freshet-profiles-XXXXXX") || exit 1
trap 'rm -rf "$room"' EXIT

# says WHAT WANTED-STATUS WANTED-TEXT COMMAND...
says() {
	what=$1 want_status=$2 want=$3
	shift 3
	said=$("$@" 2>&1)
	status=$?
	if [ "$status" -ne "$want_status" ]; then
		echo "FAILED $what: exit status $status, not $want_status: $said"
		failed=1
	fi
	case $said in
	*"$want"*) ;;
	*)
		echo "FAILED $what: no '$want' in: $said"
		failed=1
		;;
	esac
}

for file in "$folder"/*.conf; do
	name=${file##*/}
	name=${name%.conf}
	count=$((count + 1))
	says "$name" 0 "$name: " "$agent" profile "$file"
	says "$name" 0 '"commands":[' "$agent" profile "$name" --json
done
[ "$count" -ge 5 ] || failed=1

cat >"$room/car.conf" <<'END'
[profile]
name = car
[command bms]
request = 22 01 01
ecu = 7E4 7EC
period = 5 s
valid_if = volts > 0
[signal volts]
command = bms
bytes = 0 2
div = 10
unit = V
field = battery.pack_voltage_v
trust = claimed
[signal temp]
command = bms
bytes = 2 1
null = ones
trust = claimed
END
cd "$room" || exit 1
says "an answer" 0 "battery.pack_voltage_v = 670" "$agent" profile car.conf bms "62 01 01 1A 2C FF"
says "an answer" 0 '"outcome":"not known","value":null' "$agent" profile car.conf bms 6201011A2CFF --json
says "zeros" 0 "drops this answer" "$agent" profile car.conf bms 620101000001
says "no echo" 2 "not an answer to this command" "$agent" profile car.conf bms 620102000001
says "a refusal" 2 "a refusal" "$agent" profile car.conf bms 7F2231
says "no hex" 2 "an answer in hex" "$agent" profile car.conf bms 62010
says "no command" 2 "no such command" "$agent" profile car.conf bmw 620101
says "no file" 2 "No such file" "$agent" profile nowhere

# What clears, writes or actuates does not load, in our format and in a signal set.
sed 's/22 01 01/14 FF FF FF/' car.conf >clear.conf
says "a profile that clears" 2 "clear.conf:4: [command bms] request: expected a request that only reads" \
	"$agent" profile clear.conf
printf '{"commands": [\n{"hdr": "7E0", "cmd": {"2F": "0101"}, "freq": 1, "signals": []}]}\n' >set.json
says "a set that actuates" 2 "set.json:2:" "$agent" profile set.json
printf '[profile]\nname = x\nobdb = set.json\n' >with.conf
says "a profile with such a set" 2 "set.json:2:" "$agent" profile with.conf

echo "$count profiles"
exit $failed
