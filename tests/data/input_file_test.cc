#include "server/data/input_file.h"

#include <filesystem>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/data/cifar10_files.h"
#include "tests/support/temp_folder.h"

namespace anneal {
namespace {

using ::testing::HasSubstr;

TEST(InputFileTest, ReadsItAll) {
  const TempFolder folder;
  const std::string text("ab\0\ncd", 6);
  WriteFile(folder.Join("f"), text);
  absl::StatusOr<InputFile> file = InputFile::Open(folder.Join("f"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->path(), folder.Join("f"));
  ASSERT_EQ(file->size_bytes(), 6);
  InputFile moved = *std::move(file);
  std::vector<uint8_t> bytes(6);
  ASSERT_TRUE(moved.ReadAll(bytes.data()).ok());
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), text);
}

TEST(InputFileTest, ReadsAnEmptyFile) {
  const TempFolder folder;
  WriteFile(folder.Join("f"), "");
  absl::StatusOr<InputFile> file = InputFile::Open(folder.Join("f"));
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->size_bytes(), 0);
  EXPECT_TRUE(file->ReadAll(nullptr).ok());
}

TEST(InputFileTest, NoticesAFileThatShrinksOrGrows) {
  const TempFolder folder;
  WriteFile(folder.Join("f"), std::string(1000, 'x'));
  std::vector<uint8_t> bytes(1000);

  absl::StatusOr<InputFile> file = InputFile::Open(folder.Join("f"));
  ASSERT_TRUE(file.ok()) << file.status();
  std::filesystem::resize_file(folder.Join("f"), 400);
  absl::Status status = file->ReadAll(bytes.data());
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(folder.Join("f") + " shrank from 1000 to 400 bytes"));

  file = InputFile::Open(folder.Join("f"));
  ASSERT_TRUE(file.ok()) << file.status();
  std::filesystem::resize_file(folder.Join("f"), 401);
  status = file->ReadAll(bytes.data());
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr(folder.Join("f") + " grew beyond 400 bytes"));
}

TEST(InputFileTest, SaysWhatIsNotThere) {
  const TempFolder folder;
  WriteFile(folder.Join("f"), "x");
  EXPECT_EQ(InputFile::Open(folder.Join("g")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(InputFile::Open(folder.Join("f/g")).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(InputFile::Open("").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(InputFile::Open(folder.path()).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(InputFile::Open(folder.Join(std::string(300, 'n'))).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace anneal
