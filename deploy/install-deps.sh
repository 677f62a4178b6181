#!/usr/bin/env bash
# Installs the Debian 12 packages that Anneal needs to build, run and be tested. Safe to run again: it asks apt only
# for what is missing, and does nothing (no network, no sudo) when everything is there.
set -euo pipefail

packages=(
  # toolchain
  build-essential cmake ninja-build ccache pkg-config git
  # RPC and messages
  libgrpc++-dev protobuf-compiler protobuf-compiler-grpc libprotobuf-dev
  # tensors and kernels; OpenBLAS is named because the reference BLAS also satisfies libtorch, and crawls
  libtorch-dev libopenblas0-pthread libdnnl-dev
  # store
  libsqlite3-dev libsqlitecpp-dev
  # logs, errors, command line, JSON
  libspdlog-dev libabsl-dev libcli11-dev nlohmann-json3-dev
  # random numbers (Philox by its authors), hashes
  librandom123-dev libssl-dev
  # operation
  libsystemd-dev
  # tests and benchmarks
  libgtest-dev libgmock-dev libbenchmark-dev sqlite3 python3 python3-numpy python3-pil
)

missing=()
for package in "${packages[@]}"; do
  if [ "$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)" != "installed" ]; then
    missing+=("$package")
  fi
done

if [ ${#missing[@]} -eq 0 ]; then
  echo "install-deps: everything is installed"
  exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
  if ! command -v sudo >/dev/null 2>&1; then
    echo "install-deps: not root and no sudo; as root, run: apt-get install ${missing[*]}" >&2
    exit 1
  fi
  as_root=(sudo)
fi

echo "install-deps: installing ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}"
echo "install-deps: done"
