// CIFAR-10 in its binary layout (Krizhevsky, "Learning multiple layers of features from tiny
// images", 2009; the layout is described at https://www.cs.toronto.edu/~kriz/cifar.html).
#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "server/data/dataset_registry.h"

namespace anneal {

// Reads data_batch_1.bin .. data_batch_5.bin (split "train", in this order) and test_batch.bin
// (split "test"), from `path` or from `path`/cifar-10-batches-bin, as the archive unpacks. All six
// must be there, with 1 to 10,000 records each. A record is one label byte (0..9), then 1024 bytes
// red, 1024 green, 1024 blue, each row by row; the images delivered are uint8 [32, 32, 3], channels
// last.
//
// Class names come from batches.meta.txt where the folder has one (ten lines of printable ASCII),
// else they are the published ones.
//
// Thread-safe: nothing is kept between calls. Blocking: Describe opens files, Load reads them.
class Cifar10Reader final : public DatasetReader {
 public:
  // `name`: that of the data set, for DatasetInfo and messages. Does not look at the files.
  Cifar10Reader(std::string name, std::string path)
      : name_(std::move(name)), path_(std::move(path)) {}

  // FAILED_PRECONDITION, naming the file: it is missing, not a regular file, not readable, empty,
  // longer than 10,000 records, or not a whole number of records (with the number of the record
  // that is cut short and where it begins).
  absl::StatusOr<DatasetInfo> Describe() const override;

  // Errors as Describe (files may have changed since), and: DATA_LOSS for a label above 9 (with
  // file, record number and byte offset), and for a file that fails or changes its size while it is
  // read.
  absl::StatusOr<Dataset> Load() const override;

 private:
  const std::string name_;
  const std::string path_;
};

}  // namespace anneal
