// One column of stored predictions, read a chunk or a part of a chunk at a time.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "storage/connection.h"
#include "storage/prediction_sql.h"

struct sqlite3_blob;

namespace anneal {

// Where a chunk is stored.
struct PredictionChunkPlace {
  int64_t id = 0;
  int64_t begin = 0;  // index of its first image in the split
  int64_t count = 0;
};

// Reads within one transaction, which it must not outlive. A part of a large chunk costs the part,
// and the links of the pages before it.
class ColumnReader {
 public:
  // `width`: values an image has.
  ColumnReader(Connection& connection, const sql::PredictionColumn& column, int64_t width);
  ~ColumnReader();
  ColumnReader(const ColumnReader&) = delete;
  ColumnReader& operator=(const ColumnReader&) = delete;

  // Those of `count` images from the chunk's image `first` (from 0) on, into `values`, which has
  // room for count * width of them. DATA_LOSS: the chunk has no such row or not its length; nothing
  // can be read with this object after that. Throws what SQLiteCpp throws.
  absl::Status Read(const PredictionChunkPlace& chunk, int64_t first, int64_t count,
                    int32_t* values);
  absl::Status Read(const PredictionChunkPlace& chunk, int64_t first, int64_t count, float* values);

 private:
  absl::Status ReadBytes(const PredictionChunkPlace& chunk, int64_t first, int64_t count,
                         void* values);

  Connection& connection_;
  const sql::PredictionColumn& column_;
  const int64_t width_;
  sqlite3_blob* blob_ = nullptr;  // nullptr: not opened
};

}  // namespace anneal
