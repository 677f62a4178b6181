#include "server/core/durable_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fcntl.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "server/core/file_calls.h"
#include "tests/support/temp_folder.h"

namespace anneal {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::string Contents(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Entries of the folder, also hidden ones.
int64_t Files(const std::string& folder) {
  return std::distance(std::filesystem::directory_iterator(folder),
                       std::filesystem::directory_iterator());
}

absl::Status Write(const std::string& path, const std::string& contents) {
  absl::StatusOr<std::unique_ptr<DurableFile>> file = DurableFile::Create(path);
  if (!file.ok()) return file.status();
  if (absl::Status written = (*file)->Write(contents.data(), contents.size()); !written.ok())
    return written;
  return (*file)->Commit();
}

TEST(DurableFile, IsThereWhole) {
  const TempFolder folder;
  const std::string path = folder.Join("a/b/c/file");
  ASSERT_TRUE(Write(path, "contents").ok());
  EXPECT_EQ(Contents(path), "contents");
  EXPECT_EQ(Files(folder.Join("a/b/c")), 1);
  EXPECT_EQ(std::filesystem::status(path).permissions(),
            std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  EXPECT_EQ(std::filesystem::status(folder.Join("a")).permissions(),
            std::filesystem::perms::owner_all);
}

TEST(DurableFile, ReplacesAnEarlierOneOnlyWhenCommitted) {
  const TempFolder folder;
  const std::string path = folder.Join("file");
  ASSERT_TRUE(Write(path, "old").ok());
  {
    const auto file = DurableFile::Create(path);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->Write("new", 3).ok());
    EXPECT_EQ(Contents(path), "old");
  }
  EXPECT_EQ(Contents(path), "old");
  EXPECT_EQ(Files(folder.path()), 1) << "what was not committed was left behind";
  ASSERT_TRUE(Write(path, "new").ok());
  EXPECT_EQ(Contents(path), "new");
}

TEST(DurableFile, WhatAKilledProcessLeftIsNoObstacle) {
  const TempFolder folder;
  const std::string path = folder.Join("file");
  const pid_t child = fork();
  if (child == 0) {
    const auto file = DurableFile::Create(path);
    (void)(*file)->Write("half", 4);
    raise(SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_FALSE(std::filesystem::exists(path));
  ASSERT_TRUE(Write(path, "whole").ok());
  EXPECT_EQ(Contents(path), "whole");
  EXPECT_EQ(Files(folder.path()), 1);
}

TEST(DurableFile, AFullDiskIsResourceExhausted) {
  const TempFolder folder;
  const std::string path = folder.Join("file");
  // A limit on file sizes stands for it: the system call fails in the same way.
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit = before;
  limit.rlim_cur = 1000;
  setrlimit(RLIMIT_FSIZE, &limit);
  const absl::Status written = Write(path, std::string(5000, 'x'));
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_TRUE(absl::IsResourceExhausted(written)) << written;
  EXPECT_THAT(std::string(written.message()), HasSubstr(path));
  EXPECT_EQ(Files(folder.path()), 0);
}

TEST(DurableFile, WhereItCannotBeItSaysSo) {
  const TempFolder folder;
  ASSERT_TRUE(Write(folder.Join("file"), "x").ok());
  const absl::Status below_a_file = Write(folder.Join("file/below"), "x");
  EXPECT_TRUE(absl::IsInternal(below_a_file)) << below_a_file;
  EXPECT_THAT(std::string(below_a_file.message()), HasSubstr("cannot make the folder"));

  std::filesystem::create_directory(folder.Join("taken"));
  const absl::Status over_a_folder = Write(folder.Join("taken"), "x");
  EXPECT_TRUE(absl::IsInternal(over_a_folder)) << over_a_folder;
  EXPECT_THAT(std::string(over_a_folder.message()), HasSubstr("cannot rename"));
  EXPECT_EQ(Files(folder.path()), 2) << "the temporary file was left behind";
}

// The folder above is made first: what then keeps the second from being made is not that the first
// was missing.
TEST(DurableFile, ANewFolderThatCannotBeMadeSaysWhy) {
  const TempFolder folder;
  const absl::Status written = Write(folder.Join("new/" + std::string(300, 'x') + "/file"), "x");
  EXPECT_THAT(std::string(written.message()), HasSubstr("File name too long")) << written;
}

// Remembers which folders were synced, and can refuse to.
class WatchedFolders final : public FileCalls {
 public:
  WatchedFolders() { SetFileCalls(this); }
  ~WatchedFolders() override { SetFileCalls(nullptr); }

  int Open(const char* path, int flags, mode_t mode) override {
    if (path == unreadable) {
      errno = EACCES;
      return -1;
    }
    const int fd = FileCalls::Open(path, flags, mode);
    if ((flags & O_DIRECTORY) != 0) folder_ = path;
    return fd;
  }
  int Sync(int fd) override {
    const std::string folder = std::exchange(folder_, "");
    if (!folder.empty() && folder == failing) {
      errno = EIO;
      return -1;
    }
    if (!folder.empty()) synced.push_back(folder);
    return FileCalls::Sync(fd);
  }

  std::string failing, unreadable;
  std::vector<std::string> synced;

 private:
  std::string folder_;  // opened last
};

// Whoever finds the folder there relies on it as who made it: it may not be durable yet, as the one
// who made it was killed, or was told that it is not.
TEST(DurableFile, AFolderThatWasThereIsMadeDurableToo) {
  const TempFolder folder;
  WatchedFolders folders;
  const std::string path = folder.Join("a/file");
  folders.failing = folder.path();
  EXPECT_FALSE(Write(path, "contents").ok());
  EXPECT_FALSE(Write(path, "contents").ok());  // the folder is there now, and as little durable
  EXPECT_THAT(folders.synced, IsEmpty());
  folders.failing.clear();
  EXPECT_TRUE(Write(path, "contents").ok());
  EXPECT_THAT(folders.synced, ElementsAre(folder.path(), folder.Join("a")));
}

TEST(DurableFile, EveryNewFolderIsMadeDurable) {
  const TempFolder folder;
  WatchedFolders folders;
  ASSERT_TRUE(MakeDurableFolder(folder.Join("a/b/c")).ok());
  EXPECT_THAT(folders.synced, ElementsAre(folder.path(), folder.Join("a"), folder.Join("a/b")));
}

// As of a service whose folder was made by the system in a place it cannot look into.
TEST(DurableFile, AFolderThatSomebodyElseMadeIsTakenAsDurable) {
  const TempFolder folder;
  ASSERT_TRUE(MakeDurableFolder(folder.Join("a")).ok());
  WatchedFolders folders;
  folders.unreadable = folder.path();
  EXPECT_TRUE(MakeDurableFolder(folder.Join("a")).ok());
  EXPECT_TRUE(Write(folder.Join("a/file"), "contents").ok());
  EXPECT_THAT(folders.synced, ElementsAre(folder.Join("a")));
}

TEST(DurableFile, EmptyFilesAreFiles) {
  const TempFolder folder;
  ASSERT_TRUE(Write(folder.Join("file"), "").ok());
  EXPECT_TRUE(std::filesystem::exists(folder.Join("file")));
}

}  // namespace
}  // namespace anneal
