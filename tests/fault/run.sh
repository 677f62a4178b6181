#!/usr/bin/env bash
# The full figures of the fault tests, on the binaries of build/release. Every part prints its seed and how to repeat a
# failing run; all parts are run, whatever fails.
#
# usage: run.sh [PART..]        such as: run.sh storm kill
set -uo pipefail

unset CDPATH
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
unset ANNEAL_SERVER "${!ANNEALD_@}"  # a user's own server and settings
export ANNEAL_BIN="$PWD/build/release/bin"

parts=("$@")
failed=()
part() {  # NAME COMMAND..
  local name=$1
  shift
  if ((${#parts[@]})) && [[ " ${parts[*]} " != *" $name "* ]]; then return; fi
  echo "=== $name: $*"
  "$@" || failed+=("$name")
}

part failpoints "$ANNEAL_BIN/fault_failpoints" --full
part power_loss "$ANNEAL_BIN/fault_power_loss" --full
part io_errors "$ANNEAL_BIN/fault_io_errors" --full
part model "$ANNEAL_BIN/fault_model" --full
part mutants python3 tests/fault/model/mutants.py build/release --all
part storm python3 tests/fault/storm/storm_test.py --full
part big_queue python3 tests/fault/kill/big_queue_test.py --full
part poison python3 tests/fault/kill/poison_test.py --full
part kill python3 tests/fault/kill/kill_test.py --full

if ((${#failed[@]})); then
  echo "tests/fault/run.sh: failed: ${failed[*]}"
  exit 1
fi
echo "tests/fault/run.sh: all passed"
