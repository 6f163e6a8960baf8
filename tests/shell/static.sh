#!/usr/bin/env bash
# Proves that one file is all there is: static.sh SONDE. It runs alone in an empty folder and, as root, alone in an empty
# chroot, with an empty environment; each time it tells its version, describes a script, and scans a real server.
set -euo pipefail
sonde=$(realpath "$1")
# shellcheck source=tests/shell/servers.sh
. "$(dirname "$0")/servers.sh"
alone=""
trap 'stop_servers; [ -z "$alone" ] || rm -rf "$alone"' EXIT

fail() {
    echo "NOT STATIC ENOUGH: $*" >&2
    exit 1
}

# `ldd` ends with an error for what is not dynamic; what it says is the point.
linked=$(ldd "$sonde" 2>&1 || true)
grep -qE 'statically linked|not a dynamic executable' <<< "$linked" || fail "ldd says: $linked"
echo "ldd: $(tr -d '\t' <<< "$linked")"
if command -v file > /dev/null; then
    kind=$(file -b "$sonde")
    grep -qE 'static(ally|-pie) linked' <<< "$kind" || fail "file says: $kind"
    echo "file: $kind"
fi
echo "size: $(stat -c %s "$sonde") bytes"

start_servers
alone=$(mktemp -d)
cp "$sonde" "$alone/sonde"

# prove WHERE COMMAND...: the command runs the file.
prove() {
    local where=$1 version help report
    shift
    version=$("$@" -V) || fail "-V $where"
    help=$("$@" --script-help http-title) || fail "--script-help $where"
    grep -q '^http-title' <<< "$help" || fail "--script-help $where says: $help"
    report=$("$@" -n -p "$SHOP" --script http-title "$ADDRESS") || fail "a scan $where"
    grep -q 'http-title: The corner shop' <<< "$report" || fail "a scan $where says: $report"
    echo "$where: $version, and a scan finds \"The corner shop\""
}

cd "$alone"
prove "in an empty folder" env -i ./sonde
if [ "$(id -u)" = 0 ]; then
    prove "in an empty chroot" env -i "$(command -v chroot)" "$alone" /sonde
else
    echo "CANNOT RUN the proof in an empty chroot: it needs root" >&2
    [ -z "${CI:-}" ] || exit 1
fi
