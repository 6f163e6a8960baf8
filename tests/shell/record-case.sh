#!/usr/bin/env bash
# Records one case of a script from a live server, and shows it for review: record-case.sh PROGRAM.
#
# From the environment: SCRIPT, CASE, TARGET (one or more, separated by spaces); PORT (the script is forced upon it; without it the
# 100 most common ports are scanned and its rule decides); ARGS (more words of the command line); SHOWS, SERVER, VERSION
# (what the case shows, and of what); CASES (the folder, else testdata/scripts).
set -euo pipefail
program=$1
for name in SCRIPT CASE TARGET; do
    [ -n "${!name:-}" ] || { echo "record-case: $name= is missing" >&2; exit 2; }
done
cases=${CASES:-testdata/scripts}
# Apart from all others until it is whole: only what was recorded now is accepted.
apart=$(mktemp -d)
trap 'rm -rf "$apart"' EXIT
folder=$apart/$SCRIPT/$CASE

# Words as a shell would read them, but nothing in them is run.
words() { [ -z "$1" ] || xargs printf '%s\n' <<< "$1"; }
arguments=(-n --seed 1)
if [ -n "${PORT:-}" ]; then
    arguments+=(-p "$PORT" --script "${FORCE-+}$SCRIPT")
else
    arguments+=(-F --script "$SCRIPT")
fi
mapfile -t more < <(words "${ARGS:-}")
mapfile -t targets < <(words "$TARGET")
arguments+=(${more[@]+"${more[@]}"} "${targets[@]}")

quoted() { local text=${1//\\/\\\\}; printf '"%s"' "${text//\"/\\\"}"; }
mkdir -p "$folder"
"$program" --record "$folder/wire.pcapng" --allow-incomplete "${arguments[@]}" > /dev/null
redacted=$(python3 "$(dirname "${BASH_SOURCE[0]}")/redact.py" "$folder/wire.pcapng")
{
    echo "shows = $(quoted "${SHOWS:-unknown}")"
    printf 'arguments = ['
    separator=''
    for word in "${arguments[@]}"; do
        printf '%s%s' "$separator" "$(quoted "$word")"
        separator=', '
    done
    echo ']'
    echo "server = $(quoted "${SERVER:-unknown}")"
    echo "version = $(quoted "${VERSION:-unknown}")"
    echo "made = $(quoted "${MADE:-make record-case, on $(date -u +%F)}")"
    echo "redacted = $(quoted "$redacted")"
} > "$folder/case.toml"

# Says what is expected by a strict replay; a difference from the live run would end it here.
if ! told=$("$program" --script-test --script-test-accept --script-test-dir "$apart"); then
    echo "$told"
    exit 5
fi
mkdir -p "$cases/$SCRIPT"
rm -rf "${cases:?}/$SCRIPT/$CASE"
mv "$folder" "$cases/$SCRIPT/$CASE"
folder=$cases/$SCRIPT/$CASE
if [ -z "${QUIET:-}" ]; then
    for file in case.toml expected.txt expected.jsonl; do
        echo "--- $folder/$file"
        cat "$folder/$file"
    done
    echo "--- sent and received; look for what must not be handed on"
    strings -n 6 "$folder/wire.pcapng" | head -60 || true
    ls -l "$folder"
fi
