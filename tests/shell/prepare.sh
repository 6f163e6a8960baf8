#!/usr/bin/env bash
# What the tests need on this machine: prepare.sh VENV. Does nothing where it is there already.
set -euo pipefail
cd "$(dirname "$0")/../.."
venv=$1
PATH="$PATH:/usr/sbin:/sbin"

# Program, and the Debian package it is in.
needed="nginx:nginx-light openssl:openssl inetutils-inetd:inetutils-inetd perl:perl-base sshd:openssh-server ip:iproute2 nft:nftables ethtool:ethtool tcpdump:tcpdump tshark:tshark setcap:libcap2-bin dnsmasq:dnsmasq-base snmpd:snmpd chronyd:chrony"
missing=()
for one in $needed; do
    command -v "${one%%:*}" > /dev/null || missing+=("${one#*:}")
done
# Debian's python3 comes without what makes virtual environments.
python3 -c 'import ensurepip' 2> /dev/null || missing+=(python3-venv)
if [ ${#missing[@]} -gt 0 ]; then
    tests/shell/install.sh "${missing[@]}"
fi

# Readers of the reports that are not ours.
readers="python-libnmap==0.7.3 python-nmap==0.7.1 jsonschema==4.26.0"
if ! "$venv/bin/python" -c 'import libnmap, nmap, jsonschema' 2> /dev/null; then
    python3 -m venv --clear "$venv"
    # shellcheck disable=SC2086
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check $readers || {
        echo "the Python package index cannot be reached: the tests that read reports with $readers cannot run" >&2
        rm -rf "$venv"
    }
fi
