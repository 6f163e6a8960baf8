#!/usr/bin/env bash
# Runs all tests and sums up: what passed, what failed, and what this machine could not run, by name.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
log=$target/test.log
began=$SECONDS

status=0
"${CARGO:-cargo}" test --locked --no-fail-fast 2>&1 | tee "$log" || status=$?

count() { grep -E '^test result: ' "$log" | grep -oE "[0-9]+ $1" | awk '{ sum += $1 } END { print sum + 0 }'; }
echo
echo "tests: $(count passed) passed, $(count failed) failed, $(count ignored) ignored, in $((SECONDS - began)) s"
if grep -qE '^CANNOT RUN ' "$log"; then
    echo "not run on this machine:"
    grep -E '^CANNOT RUN ' "$log" | sort -u | sed 's/^/  /'
fi
if [ "$status" = 0 ] && [ "$(count passed)" = 0 ]; then
    echo "no test ran"
    status=1
fi
exit "$status"
