// How much memory this process may use.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace anneal {

// The contents of a file; nothing where it cannot be read.
using FileReader = std::function<std::optional<std::string>(const std::string& path)>;

// The machine's memory, or the least limit that the process's control group or one above it has,
// where that is lower (both versions; Linux: Documentation/admin-guide/cgroup-v2.rst, memory.max,
// and cgroup-v1/memory.rst, memory.limit_in_bytes). 0: not known. Within a container the group's
// own path may not be there; then that of the container's root counts.
int64_t UsableMemoryBytes(const FileReader& read);

// Reads files as they are.
std::optional<std::string> ReadSmallFile(const std::string& path);

}  // namespace anneal
