#!/usr/bin/env bash
# Writes the real CIFAR-10 in its binary layout to the folder OUT, once: does nothing where it is there already.
#
# usage: make_cifar10.sh OUT
#
# The images come from datasets/make-cifar10 in the folder $ANNEAL_SHARED (default: "shared" beside this repository).
# Exit 0: OUT is complete. Exit 77: it cannot be made here (no archive, or Python has no numpy and PIL; in Debian
# python3-numpy and python3-pil); stderr says why. Safe to run several times at once: OUT appears in one step.
set -euo pipefail

if [ $# -ne 1 ] || [ -z "$1" ]; then
  echo "usage: make_cifar10.sh OUT" >&2
  exit 2
fi
out=$1
unset CDPATH
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
maker=${ANNEAL_SHARED:-$root/../shared}/datasets/make-cifar10

complete() {
  local batch
  for batch in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
    [ "$(stat -c %s "$out/$batch.bin" 2>/dev/null)" = 30730000 ] || return 1
  done
}

cannot() {
  echo "make_cifar10: $*" >&2
  exit 77
}

complete && exit 0
[ -f "$maker" ] || cannot "no $maker; set ANNEAL_SHARED to the folder that has datasets/make-cifar10"
python=
for candidate in python3 /usr/bin/python3; do
  if "$candidate" -c "import numpy, PIL" >/dev/null 2>&1; then
    python=$candidate
    break
  fi
done
[ -n "$python" ] || cannot "needs Python with numpy and PIL (apt-get install python3-numpy python3-pil)"

parent=$(dirname "$out")
mkdir -p "$parent"
exec 9>"$out.lock"
flock 9
complete && exit 0  # another run made it meanwhile
temporary=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$temporary"' EXIT
"$python" "$maker" "$temporary/data" >"$temporary/log" 2>&1 || cannot "$maker failed: $(tail -n 3 "$temporary/log")"
rm -rf "$out"  # an incomplete one
mv -T "$temporary/data" "$out"
complete || cannot "$maker wrote files of other sizes than 10,000 records"
