#!/bin/sh
# The commands of README.md on a machine that has nothing but git: a fresh Debian 12 in a chroot.
#   tests/fresh/run.sh [COMMAND...]     as root, needs mmdebstrap; default: ./dev test
# On demand, not in CI. The chroot goes to FRESH_DIR (default build/fresh) and is removed at the end.
set -eu
cd "$(dirname "$0")/../.."
root=$PWD
dir=${FRESH_DIR:-$root/build/fresh}
[ $# -gt 0 ] || set -- ./dev test
[ "$(id -u)" = 0 ] || {
	echo "tests/fresh/run.sh: needs root (chroot)" >&2
	exit 2
}
[ ! -e "$dir" ] || {
	echo "tests/fresh/run.sh: $dir is there already; remove it first" >&2
	exit 2
}

mkdir -p "$(dirname "$dir")"
trap 'rm -rf --one-file-system "$dir"' EXIT
trap 'exit 130' INT TERM HUP
./dev sources deb | mmdebstrap --variant=minbase --include=git,ca-certificates bookworm "$dir" -
./dev sources deb >"$dir/etc/apt/sources.list"
[ ! -f /etc/resolv.conf ] || cp -L /etc/resolv.conf "$dir/etc/resolv.conf"
# What this machine's administrator trusts (a company's proxy, say) is trusted there, too.
find /usr/local/share/ca-certificates -name '*.crt' -exec cp -t "$dir/usr/local/share/ca-certificates" {} + 2>/dev/null || true
chroot "$dir" update-ca-certificates >/dev/null
git clone -q "file://$root" "$dir/root/freshet"

# The mounts live in a namespace of their own and end with it.
# shellcheck disable=SC2016
unshare --mount --pid --fork sh -eu -c '
	dir=$1
	shift
	mount -t proc proc "$dir/proc"
	mount --rbind /dev "$dir/dev"
	mount -t tmpfs tmpfs "$dir/tmp"
	exec chroot "$dir" env -i HOME=/root PATH=/usr/local/bin:/usr/bin:/bin TERM=dumb \
		NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt \
		sh -c "cd /root/freshet && exec \"\$@\"" sh "$@"
' sh "$dir" "$@"
