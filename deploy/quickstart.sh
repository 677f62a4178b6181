#!/usr/bin/env bash
# From a bare Debian 12 machine to a trained network: installs what is missing, builds, starts a daemon of its own,
# trains one job on it and shows what was stored. See --help.
set -euo pipefail

usage() {
  cat <<'END'
usage: quickstart.sh [--cifar10 DIR]

Installs the Debian packages that Anneal needs (as root or with sudo, only where some are missing), builds the daemon
and the client in build/release, starts a daemon on a unix socket with a new data folder under build/quickstart, trains a
small network, shows its stored curve, and says how to go on by hand. The daemon is stopped at the end; the data stays.

  --cifar10 DIR   train the 20-layer network of cifar10-deep-elu on CIFAR-10 (30 epochs) instead of the small one on
                  images that the daemon generates. DIR holds the binary version: data_batch_1.bin to data_batch_5.bin
                  and test_batch.bin, directly or in cifar-10-batches-bin.
  --help          this text
END
}

unset CDPATH
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
bin=$root/build/release/bin
step=
run=
log=
daemon=
client=
socket_folder=

fail() {
  printf 'quickstart: %s\n' "$*" >&2
  exit 1
}

usage_error() {
  printf 'quickstart: %s\n\n' "$*" >&2
  usage >&2
  exit 2
}

# Runs at every exit, so that neither a failure nor Ctrl-C leaves a daemon behind.
finish() {
  local code=$?
  trap - EXIT
  trap '' INT TERM HUP
  [ -z "$client" ] || kill "$client" 2>/dev/null || true
  if [ -n "$daemon" ] && kill "$daemon" 2>/dev/null; then
    for _ in $(seq 150); do
      kill -0 "$daemon" 2>/dev/null || break
      sleep 0.1
    done
    kill -KILL "$daemon" 2>/dev/null || true
  fi
  [ -z "$socket_folder" ] || rm -rf "$socket_folder"
  if [ "$code" -ne 0 ] && [ -n "$step" ]; then
    printf '\nquickstart: stopped at "%s" (exit code %s)\n' "$step" "$code" >&2
    if [ "$code" -lt 128 ] && [ -n "$log" ] && [ -s "$log" ]; then
      printf 'quickstart: the end of %s:\n' "$log" >&2
      tail -n 20 "$log" | sed 's/^/  /' >&2
    fi
  fi
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

cifar10=
while [ $# -gt 0 ]; do
  case $1 in
    --cifar10)
      [ -n "${2:-}" ] || usage_error "--cifar10 needs a folder"
      cifar10=$2
      shift 2
      ;;
    --cifar10=?*)
      cifar10=${1#--cifar10=}
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *)
      usage_error "unknown argument: $1"
      ;;
  esac
done

recipe=$root/client/recipes/quickstart.textproto
dataset_flags=()
if [ -n "$cifar10" ]; then
  [ -d "$cifar10" ] || usage_error "--cifar10: there is no folder $cifar10"
  cifar10=$(cd -- "$cifar10" && pwd)
  # Minutes of compiling come before the daemon could say so.
  [ -f "$cifar10/data_batch_1.bin" ] || [ -f "$cifar10/cifar-10-batches-bin/data_batch_1.bin" ] ||
    usage_error "--cifar10: no data_batch_1.bin in $cifar10 (it must be the binary version of CIFAR-10)"
  recipe=$root/client/recipes/cifar10-deep-elu.textproto
  dataset_flags=(--dataset "cifar10=cifar10:$cifar10")
fi

title() {
  step=$1
  printf '\n== %s (%d s)\n' "$1" "$SECONDS"
}

# The command as one would type it.
show_command() {
  printf '\n$ anneal'
  printf ' %q' "$@"
  printf '\n'
}

anneal() {
  show_command "$@"
  "$bin/anneal" "$@"
}

cd "$root"  # the presets are here

title "installing packages"
bash deploy/install-deps.sh

title "building (the first time takes some minutes)"
cmake --preset release
cmake --build --preset release --target anneald anneal

title "starting the daemon"
# What the user's own daemon is configured with must not reach this one.
unset "${!ANNEALD_@}"
mkdir -p build/quickstart
number=1
until mkdir "build/quickstart/$number" 2>/dev/null; do
  [ -e "build/quickstart/$number" ] || fail "cannot make the folder $root/build/quickstart/$number"
  number=$((number + 1))
done
run=$root/build/quickstart/$number
log=$run/anneald.log
socket=$run/anneald.sock
if [ "$(printf %s "$socket" | wc -c)" -gt 100 ]; then  # the system takes at most 107 bytes
  socket_folder=$(mktemp -d "${TMPDIR:-/tmp}/anneal-XXXXXX")
  socket=$socket_folder/anneald.sock
fi
export ANNEAL_SERVER=unix:$socket
# In a session of its own, so that Ctrl-C does not reach it too: it is stopped once, in order.
setsid "$bin/anneald" --listen "unix:$socket" --data-dir "$run/data" "${dataset_flags[@]}" </dev/null >"$log" 2>&1 &
daemon=$!
ready_by=$((SECONDS + 60))
until "$bin/anneal" health >/dev/null 2>&1; do
  kill -0 "$daemon" 2>/dev/null || fail "the daemon ended at once"
  [ "$SECONDS" -lt "$ready_by" ] || fail "the daemon does not answer on $socket after 60 s"
  sleep 0.1
done
"$bin/anneal" health

title "looking at the network"
anneal validate "$recipe"

title "training"
show_command submit "$recipe" --watch
"$bin/anneal" submit "$recipe" --watch &
client=$!
# The client would wait for a lost daemon to come back; this one would not.
code=0
wait -n "$client" "$daemon" || code=$?
if ! kill -0 "$daemon" 2>/dev/null; then
  fail "the daemon ended while the job ran"
fi
client=
[ "$code" -eq 0 ] || exit "$code"

title "what is stored"
job=$("$bin/anneal" --output json jobs --limit 1 | sed -n 's/.*"jobs":\[{"id":"\([^"]*\)".*/\1/p')
[ -n "$job" ] || fail "the daemon lists no job"
anneal metrics "$job"
anneal show "$job"

title "done"
next_socket=$socket
[ -z "$socket_folder" ] || next_socket=${TMPDIR:-/tmp}/anneal-quickstart.sock
next_daemon=$(printf ' %q' "$bin/anneald" --listen "unix:$next_socket" --data-dir "$run/data" "${dataset_flags[@]}")
next_recipe=$(printf %q "$recipe")
cat <<END
The daemon stops now; its data stays in $run.

To go on by hand, start it again in one terminal:

 $next_daemon

and talk to it from another:

  export PATH=$(printf %q "$bin"):\$PATH ANNEAL_SERVER=$(printf %q "unix:$next_socket")
  anneal jobs
  anneal metrics $job --format csv
  anneal submit $next_recipe --set training.epochs=20 --watch
  anneal --help

To tidy up: rm -r $(printf %q "$root/build/quickstart")
END
