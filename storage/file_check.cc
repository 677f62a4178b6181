#include "storage/file_check.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "storage/sqlite_status.h"

namespace anneal {
namespace {

// SQLite's file format, section 1.3: 100 bytes of header, the page size in bytes 16 and 17,
// big-endian, 1 meaning 65536.
constexpr size_t kHeaderBytes = 100;

// 0 where there is none.
uintmax_t FileSize(const std::string& path) {
  std::error_code error;
  const uintmax_t size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

// Section 3 of the same: one that is in force does not begin with a zero.
bool IsJournal(const std::string& path) {
  char first = 0;
  return std::ifstream(path, std::ios::binary).get(first) && first != 0;
}

}  // namespace

absl::Status CheckFolder(const std::string& path) {
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  std::error_code error;
  if (!std::filesystem::is_directory(folder, error)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "folder '", folder.string(), "' for the database does not exist; create it first"));
  }
  if (access(folder.c_str(), W_OK | X_OK) != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "folder '", folder.string(), "' for the database is not writable: ", std::strerror(errno),
        "; the user of this process must be able to create files there"));
  }
  return absl::OkStatus();
}

absl::Status CheckFileSize(const std::string& path) {
  const uintmax_t size = FileSize(path);
  if (size == 0 || FileSize(path + "-wal") > 0 || IsJournal(path + "-journal")) {
    return absl::OkStatus();
  }
  if (size < kHeaderBytes) {
    return DamagedStatus(path,
                         absl::StrCat("it has ", size, " bytes, less than the header of one"));
  }
  std::array<char, kHeaderBytes> header{};
  std::ifstream(path, std::ios::binary).read(header.data(), header.size());
  const uintmax_t stored = static_cast<uintmax_t>(static_cast<unsigned char>(header[16])) * 256 +
                           static_cast<unsigned char>(header[17]);
  const uintmax_t page_bytes = stored == 1 ? 65536 : stored;
  // Another page size than SQLite's is no database, as opening it will tell.
  if (page_bytes < 512 || size % page_bytes == 0) return absl::OkStatus();
  return DamagedStatus(path, absl::StrCat("its ", size, " bytes are no multiple of its page size ",
                                          page_bytes, ": it was cut off"));
}

absl::Status CheckContent(Connection& connection) {
  return connection.Guard([&]() -> absl::Status {
    SQLite::Statement check(connection.database(), "PRAGMA quick_check(1)");
    const std::string found = check.executeStep() ? check.getColumn(0).getString() : "no answer";
    return found == "ok" ? absl::OkStatus() : DamagedStatus(connection.path(), found);
  });
}

}  // namespace anneal
