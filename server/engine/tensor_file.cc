#include "server/engine/tensor_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "server/core/durable_file.h"
#include "server/core/status_macros.h"
#include "server/engine/sha256.h"

namespace anneal {
namespace {

absl::Status Unusable(const std::string& path, const std::string& what) {
  return absl::DataLossError(absl::StrCat(path, " ", what));
}

absl::StatusOr<std::string> ReadWhole(const std::string& path, int64_t bytes) {
  // Not blocking: somebody may have put a pipe there.
  const int fd = open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return Unusable(path, absl::StrCat("cannot be read: ", std::strerror(errno)));
  const absl::Cleanup close_file = [fd] { close(fd); };
  struct stat status {};
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) return Unusable(path, "is no file");
  if (status.st_size != bytes) {
    return Unusable(path,
                    absl::StrCat("has ", status.st_size, " bytes and was written with ", bytes));
  }
  std::string contents(static_cast<size_t>(bytes), '\0');
  for (size_t done = 0; done < contents.size();) {
    const ssize_t got = read(fd, contents.data() + done, contents.size() - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Unusable(path, absl::StrCat("cannot be read: ", std::strerror(errno)));
    if (got == 0) return Unusable(path, "became shorter while it was read");
    done += static_cast<size_t>(got);
  }
  return contents;
}

}  // namespace

absl::StatusOr<FileIdentity> WriteTensorFile(const std::string& path,
                                             const std::vector<NamedTensor>& tensors,
                                             const SafetensorsMetadata& metadata) {
  ASSIGN_OR_RETURN(const std::unique_ptr<DurableFile> file, DurableFile::Create(path));
  FileIdentity identity;
  Sha256 digest;
  RETURN_IF_ERROR(
      WriteSafetensors(tensors, metadata, [&](const void* bytes, size_t count) -> absl::Status {
        digest.Add(bytes, count);
        identity.bytes += static_cast<int64_t>(count);
        return file->Write(bytes, count);
      }));
  RETURN_IF_ERROR(file->Commit());
  identity.sha256 = digest.Hex();
  return identity;
}

absl::StatusOr<Safetensors> ReadTensorFile(const std::string& path, const FileIdentity& identity) {
  ASSIGN_OR_RETURN(const std::string contents, ReadWhole(path, identity.bytes));
  Sha256 digest;
  digest.Add(contents.data(), contents.size());
  if (const std::string sha256 = digest.Hex(); sha256 != identity.sha256) {
    return Unusable(path, absl::StrCat("has changed since it was written: its SHA-256 is ", sha256,
                                       ", not ", identity.sha256));
  }
  absl::StatusOr<Safetensors> parsed = ParseSafetensors(contents);
  if (!parsed.ok()) return Unusable(path, absl::StrCat("is ", parsed.status().message()));
  return parsed;
}

}  // namespace anneal
