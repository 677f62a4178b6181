#!/usr/bin/env python3
"""Checks that no file includes what its layer must not see (DESIGN: layers), and that headers have `#pragma once`.

usage: check_includes.py ROOT
"""

import pathlib
import re
import sys

# folder -> (folders of this repository it may include, families of other libraries it may include)
PROTO = "proto"
LAYERS = {
    "server/core": ({"server/core"}, {"absl", "random123"}),
    "server/spec": ({"server/core", "server/spec", PROTO}, {"absl", "protobuf"}),
    "server/data": ({"server/core", "server/data"}, {"absl"}),
    PROTO: ({"server/core", PROTO}, {"absl", "protobuf"}),
    "storage": ({"server/core", "storage"}, {"absl", "sqlite"}),
    "server/engine": ({"server/core", "server/data", "server/spec", "server/engine", PROTO},
                      {"absl", "protobuf", "torch", "dnnl", "openssl", "json"}),
    "server/scheduler": ({"server/core", "server/spec", "server/scheduler", "storage/store.h",
                          "server/engine/engine.h", PROTO}, {"absl", "protobuf"}),
    "server/rpc": ({"server/core", "server/spec", "server/data", "server/scheduler", "server/rpc",
                    "storage/store.h", "server/engine/engine.h", PROTO, "grpc_proto"},
                   {"absl", "protobuf", "grpc", "openssl"}),
    "client": ({"server/core", "client", PROTO, "grpc_proto"},
               {"absl", "protobuf", "grpc", "cli11", "json"}),
}
# Headers without LibTorch, so that the rest of the daemon can be compiled without it.
TORCH_FREE = {"server/engine/engine.h"}

FAMILIES = [
    (r"^(torch|ATen|c10)/", "torch"),
    (r"^(dnnl|oneapi/dnnl)", "dnnl"),
    (r"^(sqlite3|SQLiteCpp)", "sqlite"),
    (r"^(grpc|grpcpp)/", "grpc"),
    (r"^google/protobuf/", "protobuf"),
    (r"^absl/", "absl"),
    (r"^Random123/", "random123"),
    (r"^openssl/", "openssl"),
    (r"^CLI/", "cli11"),
    (r"^nlohmann/", "json"),
    (r"^spdlog/", "spdlog"),
    (r"^systemd/", "systemd"),
    (r"^(gtest|gmock|benchmark)/", "test"),
]

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def family_of(header):
    for pattern, family in FAMILIES:
        if re.match(pattern, header):
            return family
    return None


def folder_of(header):
    if header.endswith(".grpc.pb.h"):
        return "grpc_proto"
    if header.endswith(".pb.h"):
        return "protobuf_wkt" if header.startswith("google/protobuf/") else PROTO
    return str(pathlib.PurePosixPath(header).parent)


def may_include(header, allowed):
    if header in allowed:
        return True
    folder = folder_of(header)
    return any(folder == entry or folder.startswith(entry + "/") for entry in allowed)


def check(root, path, allowed, families):
    problems = []
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(root).as_posix()
    if path.suffix == ".h" and "#pragma once" not in text:
        problems.append(f"{name}: no #pragma once")
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, header = match.groups()
        family = family_of(header)
        if family is not None:
            if family not in families:
                problems.append(f"{name}:{number}: this layer must not see {family} ({header})")
            elif family == "torch" and name in TORCH_FREE:
                problems.append(f"{name}:{number}: this header is free of LibTorch ({header})")
        elif quote == '"' and not may_include(header, allowed):
            problems.append(f"{name}:{number}: this layer must not include {header}")
    return problems


def main():
    root = pathlib.Path(sys.argv[1]).resolve()
    problems = []
    files = 0
    for folder, (allowed, families) in LAYERS.items():
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in (".h", ".cc"):
                files += 1
                problems += check(root, path, allowed, families)
    if files == 0:
        problems.append(f"no sources under {root}")
    for problem in problems:
        print(problem)
    print(f"{files} files, {len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
