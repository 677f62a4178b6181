#include "storage/column_reader.h"

#include <sqlite3.h>

#include <bit>

#include "absl/strings/str_cat.h"
#include "storage/sqlite_status.h"

namespace anneal {

static_assert(std::endian::native == std::endian::little,
              "columns are stored little-endian and read as they are");

namespace {

constexpr int64_t kValueBytes = 4;

}  // namespace

ColumnReader::ColumnReader(Connection& connection, const sql::PredictionColumn& column,
                           int64_t width)
    : connection_(connection), column_(column), width_(width) {}

ColumnReader::~ColumnReader() {
  // What it would report was reported by the call that failed.
  sqlite3_blob_close(blob_);
}

absl::Status ColumnReader::Read(const PredictionChunkPlace& chunk, int64_t first, int64_t count,
                                int32_t* values) {
  return ReadBytes(chunk, first, count, values);
}

absl::Status ColumnReader::Read(const PredictionChunkPlace& chunk, int64_t first, int64_t count,
                                float* values) {
  return ReadBytes(chunk, first, count, values);
}

absl::Status ColumnReader::ReadBytes(const PredictionChunkPlace& chunk, int64_t first,
                                     int64_t count, void* values) {
  sqlite3* database = connection_.database().getHandle();
  const int opened = blob_ == nullptr ? sqlite3_blob_open(database, "main", column_.table, "data",
                                                          chunk.id, 0, &blob_)
                                      : sqlite3_blob_reopen(blob_, chunk.id);
  // SQLITE_ERROR: no such row.
  if (opened == SQLITE_ERROR) {
    return DamagedStatus(connection_.path(),
                         absl::StrCat("chunk ", chunk.id, " has no row in ", column_.table));
  }
  if (opened != SQLITE_OK) throw SQLite::Exception(database, opened);
  const int64_t bytes = sqlite3_blob_bytes(blob_);
  const int64_t image_bytes = width_ * kValueBytes;
  if (bytes % image_bytes != 0 || bytes / image_bytes != chunk.count) {
    return DamagedStatus(connection_.path(),
                         absl::StrCat("chunk ", chunk.id, " of ", chunk.count, " images has ",
                                      bytes, " bytes in ", column_.table));
  }
  // A blob has less than 2^31 bytes, and the part is inside it.
  const int read = sqlite3_blob_read(blob_, values, static_cast<int>(count * image_bytes),
                                     static_cast<int>(first * image_bytes));
  if (read != SQLITE_OK) throw SQLite::Exception(database, read);
  return absl::OkStatus();
}

}  // namespace anneal
