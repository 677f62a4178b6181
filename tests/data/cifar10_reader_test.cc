#include "server/data/cifar10_reader.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/data/cifar10_files.h"
#include "tests/support/real_cifar10.h"
#include "tests/support/temp_folder.h"

namespace anneal {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Cifar10ReaderTest : public ::testing::Test {
 protected:
  Cifar10ReaderTest() { WriteCifarFolder(folder_.path()); }

  std::string File(int file) const { return CifarFile(folder_.path(), file); }
  Cifar10Reader Reader() const { return Cifar10Reader("pictures", folder_.path()); }

  // Describe and Load both refuse with this code, and both messages have every text.
  void ExpectRefused(absl::StatusCode code, const std::vector<std::string>& texts) const {
    const absl::Status described = Reader().Describe().status();
    const absl::Status loaded = Reader().Load().status();
    EXPECT_EQ(described.code(), code) << described;
    EXPECT_EQ(loaded.code(), code) << loaded;
    for (const std::string& text : texts) {
      EXPECT_THAT(std::string(described.message()), HasSubstr(text));
      EXPECT_THAT(std::string(loaded.message()), HasSubstr(text));
    }
    EXPECT_THAT(std::string(loaded.message()), HasSubstr("\"pictures\""));
  }

  TempFolder folder_;
};

TEST_F(Cifar10ReaderTest, DescribesWhatIsThere) {
  const absl::StatusOr<DatasetInfo> info = Reader().Describe();
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->name, "pictures");
  EXPECT_EQ(info->format, "cifar10");
  EXPECT_EQ(info->source, folder_.path());
  EXPECT_THAT(info->shape, ElementsAre(32, 32, 3));
  EXPECT_THAT(info->class_names, ElementsAre("airplane", "automobile", "bird", "cat", "deer", "dog",
                                             "frog", "horse", "ship", "truck"));
  ASSERT_EQ(info->splits.size(), 2u);
  EXPECT_EQ(info->splits[0].name, "train");
  EXPECT_EQ(info->splits[0].samples, 3 + 1 + 4 + 1 + 5);
  EXPECT_EQ(info->splits[1].name, "test");
  EXPECT_EQ(info->splits[1].samples, 2);
}

TEST_F(Cifar10ReaderTest, PlanesBecomePixelsAndFilesFollowEachOther) {
  const absl::StatusOr<Dataset> dataset = Reader().Load();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->features(), 3072);
  const DatasetSplit* train = dataset->FindSplit("train");
  const DatasetSplit* test = dataset->FindSplit("test");
  ASSERT_NE(train, nullptr);
  ASSERT_NE(test, nullptr);
  EXPECT_EQ(dataset->FindSplit("validation"), nullptr);
  ASSERT_EQ(train->samples(), 14);
  ASSERT_EQ(train->images.size(), 14u * 3072);
  ASSERT_EQ(test->samples(), 2);
  ASSERT_EQ(test->images.size(), 2u * 3072);

  const std::array<int64_t, 6> records = {3, 1, 4, 1, 5, 2};
  const uint8_t* pixel = train->images.data();
  size_t sample = 0;
  for (int file = 1; file <= 6; ++file) {
    if (file == 6) {
      pixel = test->images.data();
      sample = 0;
    }
    for (int64_t record = 0; record < records[static_cast<size_t>(file - 1)]; ++record) {
      EXPECT_EQ((file == 6 ? test : train)->labels[sample++], CifarLabel(file, record));
      for (int y = 0; y < 32; ++y) {
        for (int x = 0; x < 32; ++x) {
          for (int c = 0; c < 3; ++c) {
            ASSERT_EQ(*pixel++, CifarPixel(file, record, c, y, x))
                << "file " << file << " record " << record << " at " << y << ", " << x << ", " << c;
          }
        }
      }
    }
  }
}

TEST_F(Cifar10ReaderTest, FindsTheFolderThatTheArchiveUnpacksTo) {
  TempFolder outer;
  const std::string inner = outer.Join("cifar-10-batches-bin");
  std::filesystem::create_directory(inner);
  WriteCifarFolder(inner, {1, 1, 1, 1, 1, 1});
  const absl::StatusOr<DatasetInfo> info = Cifar10Reader("c", outer.path() + "/").Describe();
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_EQ(info->source, inner);
  EXPECT_EQ(info->FindSplit("train")->samples, 5);

  // The folder's own files win, also where they are damaged: another set must not be taken
  // silently.
  WriteFile(CifarFile(outer.path(), 4), "x");
  const absl::Status status = Cifar10Reader("c", outer.path()).Describe().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(CifarFile(outer.path(), 1) + " is missing"));
}

TEST_F(Cifar10ReaderTest, ReadsAPathWithSpacesAndOtherLetters) {
  const std::string inner = folder_.Join("bilder \xc3\xa5 'x' %s");
  std::filesystem::create_directory(inner);
  WriteCifarFolder(inner, {1, 1, 1, 1, 1, 1});
  EXPECT_TRUE(Cifar10Reader("c", inner).Load().ok());
}

TEST_F(Cifar10ReaderTest, TakesClassNamesFromTheFolder) {
  WriteFile(folder_.Join("batches.meta.txt"), "a\r\nb\nc\nd\ne\nf\ng\nh\ni i\nj\n\n");
  const absl::StatusOr<Dataset> dataset = Reader().Load();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(dataset->info().class_names,
              ElementsAre("a", "b", "c", "d", "e", "f", "g", "h", "i i", "j"));
}

TEST_F(Cifar10ReaderTest, RefusesBadClassNames) {
  WriteFile(folder_.Join("batches.meta.txt"), "a\nb\nc\n");
  ExpectRefused(absl::StatusCode::kFailedPrecondition,
                {folder_.Join("batches.meta.txt"), "has 3 class names", "CIFAR-10 has 10"});
  WriteFile(folder_.Join("batches.meta.txt"), "a\nb\nc\x01\nd\ne\nf\ng\nh\ni\nj\n");
  ExpectRefused(absl::StatusCode::kFailedPrecondition, {"class name 2 is not printable ASCII"});
  WriteFile(folder_.Join("batches.meta.txt"), std::string(100'000, 'a'));
  ExpectRefused(absl::StatusCode::kFailedPrecondition, {"has 100000 bytes"});
  std::filesystem::remove(folder_.Join("batches.meta.txt"));
  std::filesystem::create_directory(folder_.Join("batches.meta.txt"));
  ExpectRefused(absl::StatusCode::kFailedPrecondition,
                {"batches.meta.txt is a folder, not a file"});
}

TEST_F(Cifar10ReaderTest, RefusesAMissingFile) {
  for (int file = 1; file <= 6; ++file) {
    std::filesystem::rename(File(file), folder_.Join("away"));
    ExpectRefused(absl::StatusCode::kFailedPrecondition, {File(file) + " is missing"});
    std::filesystem::rename(folder_.Join("away"), File(file));
  }
  EXPECT_TRUE(Reader().Load().ok());
}

TEST_F(Cifar10ReaderTest, RefusesAFolderThatIsNone) {
  for (const std::string& path : {folder_.Join("nothing"), File(1)}) {
    const absl::Status status = Cifar10Reader("c", path).Describe().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr(path + "/data_batch_1.bin is missing"));
  }
}

TEST_F(Cifar10ReaderTest, RefusesAnEmptyFile) {
  for (int file = 1; file <= 6; ++file) {
    WriteFile(File(file), "");
    ExpectRefused(absl::StatusCode::kFailedPrecondition, {File(file) + " is empty (0 bytes)"});
    WriteFile(File(file), CifarBatch(file, 1));
  }
  EXPECT_TRUE(Reader().Load().ok());
}

TEST_F(Cifar10ReaderTest, RefusesATruncatedFileAndSaysWhere) {
  struct Case {
    int64_t size, record, offset, left;
  };
  for (const Case& cut :
       {Case{1, 0, 0, 1}, Case{3072, 0, 0, 3072}, Case{3074, 1, 3073, 1},
        Case{2 * 3073 - 1, 1, 3073, 3072}, Case{4 * 3073 + 1000, 4, 4 * 3073, 1000}}) {
    for (const int file : {1, 5, 6}) {
      WriteFile(File(file), CifarBatch(file, 5).substr(0, static_cast<size_t>(cut.size)));
      ExpectRefused(absl::StatusCode::kFailedPrecondition,
                    {File(file) + " has " + std::to_string(cut.size) + " bytes",
                     "not a multiple of 3073", "record " + std::to_string(cut.record) + " ",
                     "byte offset " + std::to_string(cut.offset) + " ",
                     "after " + std::to_string(cut.left) + " bytes"});
      WriteFile(File(file), CifarBatch(file, 1));
    }
  }
}

TEST_F(Cifar10ReaderTest, RefusesAFileTooLongWithoutReadingIt) {
  std::filesystem::resize_file(File(2), 10'000 * 3073);
  EXPECT_TRUE(Reader().Describe().ok());
  std::filesystem::resize_file(File(2), uintmax_t{10'001} * 3073);
  ExpectRefused(absl::StatusCode::kFailedPrecondition,
                {File(2) + " has 30733073 bytes", "at most 10000 records"});
  std::filesystem::resize_file(File(2), uintmax_t{1} << 40);  // sparse
  ExpectRefused(absl::StatusCode::kFailedPrecondition, {File(2) + " has 1099511627776 bytes"});
}

TEST_F(Cifar10ReaderTest, RefusesALabelOutOfRangeAndSaysWhere) {
  std::string batch = CifarBatch(3, 4);
  batch[3 * 3073] = 10;  // the last record
  WriteFile(File(3), batch);
  EXPECT_TRUE(Reader().Describe().ok());  // looks at sizes only
  absl::Status status = Reader().Load().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("\"pictures\""), HasSubstr(File(3)), HasSubstr("record 3 "),
                    HasSubstr("byte offset 9219:"), HasSubstr("label 10 ")));

  WriteFile(File(3), CifarBatch(3, 4));
  batch = CifarBatch(6, 2);
  batch[0] = static_cast<char>(255);
  WriteFile(File(6), batch);
  status = Reader().Load().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(File(6)), HasSubstr("record 0 "), HasSubstr("byte offset 0:"),
                    HasSubstr("label 255 ")));
}

TEST_F(Cifar10ReaderTest, NoticesFilesThatChangeBetweenDescribeAndLoad) {
  const Cifar10Reader reader = Reader();
  ASSERT_TRUE(reader.Describe().ok());
  std::filesystem::resize_file(File(5), 3073 + 17);
  const absl::Status status = reader.Load().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(File(5)), HasSubstr("byte offset 3073")));

  WriteFile(File(5), CifarBatch(5, 9));  // whole, only longer: the data set says what it holds
  const absl::StatusOr<Dataset> dataset = reader.Load();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_EQ(dataset->info().FindSplit("train")->samples, 3 + 1 + 4 + 1 + 9);
  EXPECT_EQ(dataset->FindSplit("train")->samples(), 3 + 1 + 4 + 1 + 9);
}

TEST_F(Cifar10ReaderTest, RefusesWhatIsNoRegularFileWithoutWaiting) {
  std::filesystem::remove(File(2));
  std::filesystem::create_directory(File(2));
  ExpectRefused(absl::StatusCode::kFailedPrecondition, {File(2) + " is a folder, not a file"});

  std::filesystem::remove(File(2));
  ASSERT_EQ(mkfifo(File(2).c_str(), 0600), 0);
  ExpectRefused(absl::StatusCode::kFailedPrecondition, {File(2) + " is not a regular file"});

  std::filesystem::remove(File(2));
  std::filesystem::create_symlink("/dev/zero", File(2));
  ExpectRefused(absl::StatusCode::kFailedPrecondition, {File(2) + " is not a regular file"});
}

TEST_F(Cifar10ReaderTest, FollowsLinksButNotInCircles) {
  std::filesystem::rename(File(2), folder_.Join("elsewhere"));
  std::filesystem::create_symlink("elsewhere", File(2));
  EXPECT_TRUE(Reader().Load().ok());

  std::filesystem::remove(File(2));
  std::filesystem::create_symlink("data_batch_2.bin", File(2));
  ExpectRefused(absl::StatusCode::kFailedPrecondition,
                {File(2) + " cannot be opened: Too many levels"});

  std::filesystem::remove(File(2));
  std::filesystem::create_symlink("nowhere", File(2));
  ExpectRefused(absl::StatusCode::kFailedPrecondition, {File(2) + " is missing"});

  TempFolder other;
  std::filesystem::create_symlink(other.Join("circle"), other.Join("circle"));
  const absl::Status status = Cifar10Reader("c", other.Join("circle")).Load().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("Too many levels"));
}

TEST_F(Cifar10ReaderTest, RefusesAFileItMayNotRead) {
  ASSERT_EQ(chmod(folder_.path().c_str(), 0755), 0);
  ASSERT_EQ(chmod(File(4).c_str(), 0), 0);
  const bool root = geteuid() == 0;  // root may read everything: be nobody for a moment
  if (root) {
    ASSERT_EQ(seteuid(65534), 0);
  }
  ExpectRefused(absl::StatusCode::kFailedPrecondition,
                {File(4) + " cannot be opened: Permission denied"});
  if (root) {
    ASSERT_EQ(seteuid(0), 0);
  }
}

TEST_F(Cifar10ReaderTest, ReadsTheRealData) {
  const absl::StatusOr<std::string> real = RealCifar10Folder();
  if (absl::IsUnavailable(real.status())) GTEST_SKIP() << real.status();
  ASSERT_TRUE(real.ok()) << real.status();
  const absl::StatusOr<Dataset> dataset = Cifar10Reader("cifar10", *real).Load();
  ASSERT_TRUE(dataset.ok()) << dataset.status();
  EXPECT_THAT(dataset->info().class_names,
              ElementsAre("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse",
                          "ship", "truck"));
  for (const auto& [name, samples] :
       {std::pair<std::string, int64_t>("train", 50'000), {"test", 10'000}}) {
    const DatasetSplit* split = dataset->FindSplit(name);
    ASSERT_NE(split, nullptr);
    EXPECT_EQ(split->samples(), samples);
    EXPECT_EQ(dataset->info().FindSplit(name)->samples, samples);
    ASSERT_EQ(split->images.size(), static_cast<size_t>(samples) * 3072);
    for (int label = 0; label < 10; ++label) {
      EXPECT_EQ(std::count(split->labels.begin(), split->labels.end(), label), samples / 10)
          << label;
    }
    // Neighbours in a photograph are alike, and so are the channels of one pixel: a wrong order of
    // axes would show.
    double across = 0;
    double wrong = 0;
    const uint8_t* image = split->images.data();
    for (int64_t i = 0; i < 1000; ++i, image += 3072) {
      across += std::abs(image[(16 * 32 + 16) * 3] - image[(16 * 32 + 17) * 3]);
      wrong += std::abs(image[(16 * 32 + 16) * 3] - image[(2 * 32 + 2) * 3]);
    }
    EXPECT_LT(across, 0.5 * wrong);
  }
}

}  // namespace
}  // namespace anneal
