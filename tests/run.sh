#!/usr/bin/env bash
# Installs what is missing, builds everything in build/release and runs every test.
#
# usage: run.sh [CTEST ARGUMENT..]        such as: run.sh -R storage
#
# Tests on the real CIFAR-10 are skipped where it cannot be made (see support/make_cifar10.sh).
set -euo pipefail

unset CDPATH
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset ANNEAL_SERVER "${!ANNEALD_@}"  # a user's own server and settings
bash deploy/install-deps.sh
cmake --preset release
cmake --build --preset release
log=build/release/ctest.log
code=0
ctest --test-dir build/release --output-on-failure --no-tests=error -j2 "$@" </dev/null 2>&1 | tee "$log" || code=$?
echo "tests/run.sh: $(grep -E '^[0-9]+% tests passed' "$log" || echo 'ctest did not finish') (exit code $code)"
exit "$code"
