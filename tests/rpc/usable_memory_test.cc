#include "server/usable_memory.h"

#include <gtest/gtest.h>

#include <map>

namespace anneal {
namespace {

using Files = std::map<std::string, std::string>;

constexpr char kMeminfo[] =
    "MemTotal:       24684096 kB\nMemFree:        21275916 kB\nMemAvailable:   23645396 kB\n";
constexpr int64_t kMachine = 24684096LL * 1024;

int64_t Usable(const Files& files) {
  return UsableMemoryBytes([&](const std::string& path) -> std::optional<std::string> {
    const auto found = files.find(path);
    if (found == files.end()) return std::nullopt;
    return found->second;
  });
}

TEST(UsableMemoryTest, TheMachines) {
  EXPECT_EQ(Usable({{"/proc/meminfo", kMeminfo}}), kMachine);
  EXPECT_EQ(Usable({{"/proc/meminfo", kMeminfo},
                    {"/proc/self/cgroup", "0::/\n"},
                    {"/sys/fs/cgroup/memory.max", "max\n"}}),
            kMachine);
}

TEST(UsableMemoryTest, TheGroupsWhereThatIsLower) {
  Files files = {{"/proc/meminfo", kMeminfo},
                 {"/proc/self/cgroup", "0::/\n"},
                 {"/sys/fs/cgroup/memory.max", "4294967296\n"}};
  EXPECT_EQ(Usable(files), 4294967296);
  files["/sys/fs/cgroup/memory.max"] = "999999999999999\n";
  EXPECT_EQ(Usable(files), kMachine);
}

TEST(UsableMemoryTest, AGroupAboveMayHaveLess) {
  const Files files = {{"/proc/meminfo", kMeminfo},
                       {"/proc/self/cgroup", "0::/system.slice/anneald.service\n"},
                       {"/sys/fs/cgroup/system.slice/anneald.service/memory.max", "max\n"},
                       {"/sys/fs/cgroup/system.slice/memory.max", "2147483648\n"}};
  EXPECT_EQ(Usable(files), 2147483648);
}

TEST(UsableMemoryTest, TheFirstVersionOfGroups) {
  Files files = {{"/proc/meminfo", kMeminfo},
                 {"/proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/docker/5f\n3:cpuset:/\n"},
                 {"/sys/fs/cgroup/memory/docker/5f/memory.limit_in_bytes", "1073741824\n"},
                 {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}};
  EXPECT_EQ(Usable(files), 1073741824);
  // Inside the container its own path is not there; its root is.
  files.erase("/sys/fs/cgroup/memory/docker/5f/memory.limit_in_bytes");
  files["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = "536870912\n";
  EXPECT_EQ(Usable(files), 536870912);
  files["/sys/fs/cgroup/memory/memory.limit_in_bytes"] = "9223372036854771712\n";
  EXPECT_EQ(Usable(files), kMachine);
}

TEST(UsableMemoryTest, WhatCannotBeReadIsNotKnown) {
  EXPECT_EQ(Usable({}), 0);
  EXPECT_EQ(Usable({{"/proc/meminfo", "MemTotal: lots\n"}, {"/proc/self/cgroup", "0\n::\n"}}), 0);
  EXPECT_EQ(Usable({{"/proc/meminfo", "MemTotal: 0 kB\n"}}), 0);
  EXPECT_EQ(Usable({{"/proc/meminfo", "MemTotal: 99999999999999999 kB\n"}}), 0);
  EXPECT_EQ(Usable({{"/proc/self/cgroup", "0::a/b\n"}, {"/sys/fs/cgroup/memory.max", "4096"}}),
            4096);
}

TEST(UsableMemoryTest, OfThisMachine) { EXPECT_GT(UsableMemoryBytes(&ReadSmallFile), 1 << 20); }

}  // namespace
}  // namespace anneal
