#!/usr/bin/env bash
# Starts real servers on loopback, scans them with the shipped scripts, prints the report, stops the servers:
# demo.sh SONDE. Needs nginx and openssl; no privileges.
set -euo pipefail
sonde=$(realpath "$1")
# shellcheck source=tests/shell/servers.sh
. "$(dirname "$0")/servers.sh"
trap stop_servers EXIT
start_servers

# Nothing listens on the last port. A web server has no banner, and is not waited for long.
ports=$MAIL,$WIKI,$SHOP,$BANK,$(free_port 9999 9998 9997)
echo
echo "\$ sonde -n -p $ports --script \"default or banner\" --script-args banner.timeout=1 $ADDRESS"
"$sonde" -n -p "$ports" --script "default or banner" --script-args banner.timeout=1 "$ADDRESS"
