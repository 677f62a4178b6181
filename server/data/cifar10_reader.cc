// The layout has no header and no checksum, so damage shows only as a size that is no whole number
// of records or as a label above 9. Both are reported with the record and the byte where they are,
// which is what one needs to look at the file with a hex viewer.
#include "server/data/cifar10_reader.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/core/status_macros.h"
#include "server/data/input_file.h"

namespace anneal {
namespace {

constexpr int64_t kSide = 32;
constexpr int64_t kPlaneBytes = kSide * kSide;
constexpr int64_t kImageBytes = 3 * kPlaneBytes;
constexpr int64_t kRecordBytes = 1 + kImageBytes;
constexpr int64_t kMostRecords = 10'000;
constexpr int kClasses = 10;
constexpr int64_t kMostMetaBytes = 4096;

constexpr const char* kArchiveFolder = "cifar-10-batches-bin";
constexpr const char* kMetaFile = "batches.meta.txt";
constexpr const char* kTestFile = "test_batch.bin";
constexpr std::array<const char*, 5> kTrainFiles = {"data_batch_1.bin", "data_batch_2.bin",
                                                    "data_batch_3.bin", "data_batch_4.bin",
                                                    "data_batch_5.bin"};
constexpr std::array<const char*, kClasses> kClassNames = {
    "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"};

struct Batches {
  std::string folder;
  std::vector<std::string> class_names;
  std::vector<InputFile> train;
  std::vector<InputFile> test;  // one
};

std::string Join(const std::string& folder, const char* file) {
  return folder.ends_with('/') ? absl::StrCat(folder, file) : absl::StrCat(folder, "/", file);
}

absl::Status CheckSize(const InputFile& file) {
  const int64_t size = file.size_bytes();
  if (size == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(file.path(), " is empty (0 bytes); a CIFAR-10 batch has 1 to ", kMostRecords,
                     " records of ", kRecordBytes, " bytes"));
  }
  if (size > kMostRecords * kRecordBytes) {
    return absl::FailedPreconditionError(absl::StrCat(
        file.path(), " has ", size, " bytes; a CIFAR-10 batch has at most ", kMostRecords,
        " records of ", kRecordBytes, " bytes, which are ", kMostRecords * kRecordBytes, " bytes"));
  }
  const int64_t records = size / kRecordBytes;
  const int64_t left = size % kRecordBytes;
  if (left != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(file.path(), " has ", size, " bytes, which is not a multiple of ",
                     kRecordBytes, ": record ", records, " (counted from 0) begins at byte offset ",
                     records * kRecordBytes, " and is cut short after ", left, " bytes"));
  }
  return absl::OkStatus();
}

absl::StatusOr<InputFile> OpenBatch(const std::string& folder, const char* name) {
  const std::string path = Join(folder, name);
  absl::StatusOr<InputFile> file = InputFile::Open(path);
  if (absl::IsNotFound(file.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat(path, " is missing; a CIFAR-10 folder (the binary version) has ",
                     kTrainFiles.front(), " to ", kTrainFiles.back(), " and ", kTestFile));
  }
  RETURN_IF_ERROR(file.status());
  RETURN_IF_ERROR(CheckSize(*file));
  return file;
}

absl::StatusOr<std::vector<std::string>> ReadClassNames(const std::string& folder) {
  absl::StatusOr<InputFile> file = InputFile::Open(Join(folder, kMetaFile));
  if (absl::IsNotFound(file.status())) {
    return std::vector<std::string>(kClassNames.begin(), kClassNames.end());
  }
  RETURN_IF_ERROR(file.status());
  if (file->size_bytes() > kMostMetaBytes) {
    return absl::FailedPreconditionError(absl::StrCat(file->path(), " has ", file->size_bytes(),
                                                      " bytes; ten class names take at most ",
                                                      kMostMetaBytes));
  }
  std::string text(static_cast<size_t>(file->size_bytes()), '\0');
  RETURN_IF_ERROR(file->ReadAll(reinterpret_cast<uint8_t*>(text.data())));
  std::vector<std::string> names;
  for (std::string& line : std::vector<std::string>(absl::StrSplit(text, '\n'))) {
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (line.empty()) continue;
    const bool printable =
        std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (!printable) {
      return absl::FailedPreconditionError(
          absl::StrCat(file->path(), ": class name ", names.size(), " is not printable ASCII"));
    }
    names.push_back(std::move(line));
  }
  if (names.size() != kClasses) {
    return absl::FailedPreconditionError(absl::StrCat(
        file->path(), " has ", names.size(), " class names, one a line; CIFAR-10 has ", kClasses));
  }
  return names;
}

absl::StatusOr<Batches> OpenBatches(const std::string& path) {
  Batches batches;
  batches.folder = path;
  // The files of `path` itself win; the folder that the archive unpacks to is looked at only if
  // there are none.
  const bool directly = std::any_of(kTrainFiles.begin(), kTrainFiles.end(), [&](const char* name) {
    return !absl::IsNotFound(InputFile::Open(Join(path, name)).status());
  });
  const std::string unpacked = Join(path, kArchiveFolder);
  // Opened as a file, a folder answers FAILED_PRECONDITION: it is there.
  if (!directly && !absl::IsNotFound(InputFile::Open(unpacked).status())) batches.folder = unpacked;

  for (const char* name : kTrainFiles) {
    ASSIGN_OR_RETURN(InputFile file, OpenBatch(batches.folder, name));
    batches.train.push_back(std::move(file));
  }
  ASSIGN_OR_RETURN(InputFile file, OpenBatch(batches.folder, kTestFile));
  batches.test.push_back(std::move(file));
  ASSIGN_OR_RETURN(batches.class_names, ReadClassNames(batches.folder));
  return batches;
}

int64_t CountRecords(const std::vector<InputFile>& files) {
  int64_t records = 0;
  for (const InputFile& file : files) records += file.size_bytes() / kRecordBytes;
  return records;
}

DatasetInfo MakeInfo(const std::string& name, const Batches& batches) {
  DatasetInfo info;
  info.name = name;
  info.format = "cifar10";
  info.source = batches.folder;
  info.shape = {kSide, kSide, 3};
  info.class_names = batches.class_names;
  info.splits = {{"train", CountRecords(batches.train)}, {"test", CountRecords(batches.test)}};
  return info;
}

// Three planes of 32 x 32 -> 32 x 32 pixels of three values.
void Interleave(const uint8_t* planes, uint8_t* pixels) {
  for (int64_t i = 0; i < kPlaneBytes; ++i) {
    pixels[3 * i] = planes[i];
    pixels[3 * i + 1] = planes[kPlaneBytes + i];
    pixels[3 * i + 2] = planes[2 * kPlaneBytes + i];
  }
}

absl::StatusOr<DatasetSplit> ReadSplit(const std::string& name, std::vector<InputFile>& files) {
  DatasetSplit split;
  split.name = name;
  const int64_t samples = CountRecords(files);
  split.images.resize(static_cast<size_t>(samples * kImageBytes));
  split.labels.reserve(static_cast<size_t>(samples));
  uint8_t* pixels = split.images.data();
  std::vector<uint8_t> bytes;
  for (InputFile& file : files) {
    bytes.resize(static_cast<size_t>(file.size_bytes()));
    RETURN_IF_ERROR(file.ReadAll(bytes.data()));
    const int64_t records = file.size_bytes() / kRecordBytes;
    for (int64_t record = 0; record < records; ++record) {
      const uint8_t* const data = bytes.data() + record * kRecordBytes;
      const int label = data[0];
      if (label >= kClasses) {
        return absl::DataLossError(absl::StrCat(
            file.path(), ": record ", record, " (counted from 0), byte offset ",
            record * kRecordBytes, ": label ", label, " is not one of 0 to ", kClasses - 1));
      }
      split.labels.push_back(label);
      Interleave(data + 1, pixels);
      pixels += kImageBytes;
    }
  }
  return split;
}

// The same error, saying which data set it is about.
absl::Status About(const std::string& name, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("data set \"", name, "\": ", status.message()));
}

}  // namespace

absl::StatusOr<DatasetInfo> Cifar10Reader::Describe() const {
  const absl::StatusOr<Batches> batches = OpenBatches(path_);
  if (!batches.ok()) return About(name_, batches.status());
  return MakeInfo(name_, *batches);
}

absl::StatusOr<Dataset> Cifar10Reader::Load() const {
  absl::StatusOr<Batches> batches = OpenBatches(path_);
  if (!batches.ok()) return About(name_, batches.status());
  absl::StatusOr<DatasetSplit> train = ReadSplit("train", batches->train);
  if (!train.ok()) return About(name_, train.status());
  absl::StatusOr<DatasetSplit> test = ReadSplit("test", batches->test);
  if (!test.ok()) return About(name_, test.status());
  std::vector<DatasetSplit> splits;
  splits.push_back(*std::move(train));
  splits.push_back(*std::move(test));
  return Dataset(MakeInfo(name_, *batches), std::move(splits));
}

}  // namespace anneal
