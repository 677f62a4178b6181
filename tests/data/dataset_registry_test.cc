#include "server/data/dataset_registry.h"

#include <filesystem>
#include <latch>
#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/data/cifar10_files.h"
#include "tests/support/temp_folder.h"

namespace anneal {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST(DatasetRegistryTest, KeepsNamesSorted) {
  DatasetRegistry registry;
  EXPECT_THAT(registry.Names(), IsEmpty());
  EXPECT_TRUE(registry.Register("synthetic-shapes", "synthetic-shapes", "").ok());
  EXPECT_TRUE(
      registry.Register("cifar10", "cifar10", "/nowhere").ok());  // does not look at the files
  EXPECT_TRUE(registry.Register("0.b_c-d", "cifar10", "/nowhere").ok());
  EXPECT_TRUE(registry.Register(std::string(64, 'z'), "cifar10", "/nowhere").ok());
  EXPECT_THAT(registry.Names(),
              ElementsAre("0.b_c-d", "cifar10", "synthetic-shapes", std::string(64, 'z')));
}

TEST(DatasetRegistryTest, RefusesBadNames) {
  DatasetRegistry registry;
  for (const std::string& name :
       {std::string(), std::string(65, 'a'), std::string("CIFAR10"), std::string("a b"),
        std::string("a/b"), std::string("a\n"), std::string("a\0b", 3), std::string("\xc3\xa5"),
        std::string("a:b"), std::string(1'000'000, '!')}) {
    const absl::Status status = registry.Register(name, "synthetic-shapes", "");
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << name;
    EXPECT_LT(status.message().size(), 400u);
  }
  EXPECT_THAT(registry.Names(), IsEmpty());
}

TEST(DatasetRegistryTest, RefusesBadFormatsAndPaths) {
  DatasetRegistry registry;
  struct Case {
    std::string format, path, text;
  };
  for (const Case& bad : {Case{"mnist", "/x", "unknown format \"mnist\""},
                          Case{"", "/x", "unknown format"}, Case{"cifar10", "", "needs the folder"},
                          Case{"cifar10", std::string("/a\0b", 4), "zero byte"},
                          Case{"synthetic-shapes", "/x", "takes no folder"}}) {
    const absl::Status status = registry.Register("d", bad.format, bad.path);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr("\"d\""), HasSubstr(bad.text)));
  }
  EXPECT_THAT(registry.Names(), IsEmpty());
}

TEST(DatasetRegistryTest, RefusesANameTwiceAndKeepsTheFirst) {
  DatasetRegistry registry;
  ASSERT_TRUE(registry.Register("d", "synthetic-shapes", "").ok());
  EXPECT_EQ(registry.Register("d", "cifar10", "/nowhere").code(), absl::StatusCode::kAlreadyExists);
  const absl::StatusOr<DatasetInfo> info = registry.Describe("d");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->format, "synthetic-shapes");
  EXPECT_EQ(info->name, "d");
}

TEST(DatasetRegistryTest, SaysWhatThereIsWhereANameIsUnknown) {
  DatasetRegistry registry;
  EXPECT_THAT(std::string(registry.Describe("x").status().message()),
              HasSubstr("this server has: none"));
  ASSERT_TRUE(registry.Register("a", "synthetic-shapes", "").ok());
  ASSERT_TRUE(registry.Register("b", "synthetic-shapes", "").ok());
  for (const absl::Status& status :
       {registry.Describe("x").status(), registry.Load("x").status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("\"x\""), HasSubstr("this server has: a, b")));
  }
  EXPECT_FALSE(registry.IsLoaded("x"));
}

TEST(DatasetRegistryTest, ConcurrentLoadsShareOneDataset) {
  const TempFolder folder;
  WriteCifarFolder(folder.path(), {200, 200, 200, 200, 200, 200});
  DatasetRegistry registry;
  ASSERT_TRUE(registry.Register("c", "cifar10", folder.path()).ok());
  EXPECT_FALSE(registry.IsLoaded("c"));

  constexpr int kThreads = 8;
  std::vector<absl::StatusOr<std::shared_ptr<const Dataset>>> results(
      kThreads, absl::UnknownError("not run"));
  std::latch start(kThreads);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        start.arrive_and_wait();
        registry.IsLoaded("c");
        results[static_cast<size_t>(i)] = registry.Load("c");
      });
    }
  }
  for (const auto& result : results) {
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_EQ(result->get(), results[0]->get());
  }
  EXPECT_TRUE(registry.IsLoaded("c"));
  EXPECT_EQ(results[0]->get()->FindSplit("train")->samples(), 1000);
}

TEST(DatasetRegistryTest, DoesNotKeepAnErrorButKeepsWhatIsLoaded) {
  const TempFolder folder;
  WriteCifarFolder(folder.path());
  std::string batch = CifarBatch(3, 4);
  batch[3073] = 77;
  WriteFile(CifarFile(folder.path(), 3), batch);
  DatasetRegistry registry;
  ASSERT_TRUE(registry.Register("c", "cifar10", folder.path()).ok());
  EXPECT_EQ(registry.Load("c").status().code(), absl::StatusCode::kDataLoss);
  EXPECT_FALSE(registry.IsLoaded("c"));

  WriteFile(CifarFile(folder.path(), 3), CifarBatch(3, 4));
  const absl::StatusOr<std::shared_ptr<const Dataset>> loaded = registry.Load("c");
  ASSERT_TRUE(loaded.ok()) << loaded.status();

  std::filesystem::remove(CifarFile(folder.path(), 1));
  const absl::StatusOr<std::shared_ptr<const Dataset>> again = registry.Load("c");
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(loaded->get(), again->get());
  const absl::StatusOr<DatasetInfo> info = registry.Describe("c");
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->FindSplit("train")->samples, 14);
}

TEST(DatasetRegistryTest, DescribesWithoutLoading) {
  const TempFolder folder;
  WriteCifarFolder(folder.path());
  DatasetRegistry registry;
  ASSERT_TRUE(registry.Register("c", "cifar10", folder.path()).ok());
  ASSERT_TRUE(registry.Describe("c").ok());
  EXPECT_FALSE(registry.IsLoaded("c"));
  std::filesystem::remove(CifarFile(folder.path(), 6));
  const absl::Status status = registry.Describe("c").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("test_batch.bin is missing"));
}

}  // namespace
}  // namespace anneal
