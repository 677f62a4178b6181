#include "server/usable_memory.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <limits>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace anneal {
namespace {

constexpr int64_t kUnlimited = std::numeric_limits<int64_t>::max();

// "MemTotal:       24684096 kB", which are KiB.
int64_t MachineMemoryBytes(const std::string& meminfo) {
  for (absl::string_view line : absl::StrSplit(meminfo, '\n')) {
    int64_t kib = 0;
    if (absl::ConsumePrefix(&line, "MemTotal:") && absl::ConsumeSuffix(&line, "kB") &&
        absl::SimpleAtoi(line, &kib) && kib > 0 && kib <= kUnlimited / 1024) {
      return kib * 1024;
    }
  }
  return kUnlimited;
}

// "max", or bytes; version 1 says unlimited as a number near 2^63.
int64_t LimitBytes(const std::optional<std::string>& content) {
  int64_t bytes = 0;
  return content.has_value() && absl::SimpleAtoi(*content, &bytes) && bytes > 0 ? bytes
                                                                                : kUnlimited;
}

// The least of `folder`/a/b/`file`, `folder`/a/`file` and `folder`/`file`, for the group "/a/b".
int64_t LeastLimitBytes(const FileReader& read, const std::string& folder, std::string group,
                        const std::string& file) {
  int64_t least = kUnlimited;
  while (true) {
    while (!group.empty() && group.back() == '/') group.pop_back();
    least = std::min(least, LimitBytes(read(absl::StrCat(folder, group, "/", file))));
    if (group.empty()) return least;
    const size_t slash = group.rfind('/');
    group.resize(slash == std::string::npos ? 0 : slash);
  }
}

}  // namespace

int64_t UsableMemoryBytes(const FileReader& read) {
  int64_t bytes = MachineMemoryBytes(read("/proc/meminfo").value_or(""));
  // "0::/system.slice/anneald.service" of version 2, "4:cpu,memory:/docker/5f" of version 1.
  const std::string groups = read("/proc/self/cgroup").value_or("");
  for (const absl::string_view line : absl::StrSplit(groups, '\n')) {
    const std::vector<std::string> parts = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (parts.size() != 3) continue;
    if (parts[1].empty()) {
      bytes = std::min(bytes, LeastLimitBytes(read, "/sys/fs/cgroup", parts[2], "memory.max"));
      continue;
    }
    const std::vector<std::string> controllers = absl::StrSplit(parts[1], ',');
    if (std::find(controllers.begin(), controllers.end(), "memory") == controllers.end()) continue;
    bytes = std::min(
        bytes, LeastLimitBytes(read, "/sys/fs/cgroup/memory", parts[2], "memory.limit_in_bytes"));
  }
  return bytes == kUnlimited ? 0 : bytes;
}

std::optional<std::string> ReadSmallFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string content{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (file.bad()) return std::nullopt;
  return content;
}

}  // namespace anneal
