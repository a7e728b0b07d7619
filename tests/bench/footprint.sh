#!/bin/sh
# Size of the programs (release, stripped), and what the running ones of ./dev up hold in memory.
#   ./dev bench footprint [--json]
set -eu
cd "$(dirname "$0")/../.."
build=${FRESHET_BUILD:-$PWD/build/release}
json=
[ "${1:-}" != --json ] || json=yes
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# row NAME VALUE UNIT
row() {
    if [ -n "$json" ]; then
        printf '{"name":"%s","peer":null,"value":%s,"unit":"%s","n":1,"target":null,"met":null}\n' "$1" "$2" "$3"
    else
        printf '%-32s %12s %s\n' "$1" "$2" "$3"
    fi
}

for exe in freshet-agent freshet-core freshet-sim; do
    [ -x "$build/bin/$exe" ] || {
        echo "footprint: $build/bin/$exe is not built" >&2
        continue
    }
    strip -o "$tmp/$exe" "$build/bin/$exe"
    row "$exe stripped" "$(stat -c %s "$tmp/$exe")" bytes
done

for name in agent core depot broker; do
    pid=$(cut -d ' ' -f 1 "var/up/run/$name.pid" 2>/dev/null) || continue
    rss=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$pid/status" 2>/dev/null) || continue
    [ -n "$rss" ] || continue
    row "$name RSS" "$rss" KiB
    row "$name private memory" "$(awk '/^Private_/ { n += $2 } END { print n }' "/proc/$pid/smaps_rollup")" KiB
done
[ -d var/up/run ] || echo "footprint: ./dev up is not running, so nothing is said of memory" >&2
