#!/usr/bin/env bash
# Installs Debian packages: install.sh PACKAGE... As root; anybody else is told the command.
set -euo pipefail

if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "missing here: $*" >&2
    echo "install with: sudo apt-get install $*" >&2
    exit 1
fi

# Only the programs are wanted: no daemon shall start because its package is installed.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod +x "$policy"
    trap 'rm -f "$policy"' EXIT
fi
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -q --no-install-recommends "$@" || {
    apt-get update -q
    apt-get install -y -q --no-install-recommends "$@"
}
