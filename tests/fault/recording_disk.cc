#include "tests/fault/recording_disk.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace anneal {
namespace {

constexpr char kCheckpointPages[] = "PRAGMA wal_autocheckpoint = 40";

std::atomic<RecordingDisk*> the_disk{nullptr};

std::string FolderOf(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

}  // namespace

// What SQLite gets as its file: our methods, and behind it in the same memory the real file.
struct RecordedFile {
  sqlite3_file base;
  RecordingDisk* disk;
  int64_t file;  // 0: not remembered

  static RecordedFile* Of(sqlite3_file* file) { return reinterpret_cast<RecordedFile*>(file); }
  static sqlite3_file* Real(sqlite3_file* file) {
    return reinterpret_cast<sqlite3_file*>(Of(file) + 1);
  }
  static int Close(sqlite3_file* file) { return Real(file)->pMethods->xClose(Real(file)); }
  static int Read(sqlite3_file* file, void* data, int size, sqlite3_int64 offset) {
    return Real(file)->pMethods->xRead(Real(file), data, size, offset);
  }
  static int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
    RecordedFile* self = Of(file);
    const int error = self->file == 0 ? 0 : self->disk->FailNext();
    const int count = error == 0 ? size : size / 2;
    const int code = Real(file)->pMethods->xWrite(Real(file), data, count, offset);
    if (code == SQLITE_OK && self->file != 0) {
      self->disk->Record(
          {.kind = DiskOperation::Kind::kWrite,
           .file = self->file,
           .offset = offset,
           .bytes = std::string(static_cast<const char*>(data), static_cast<size_t>(count))});
    }
    if (error != 0) return error == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    return code;
  }
  static int Truncate(sqlite3_file* file, sqlite3_int64 size) {
    RecordedFile* self = Of(file);
    if (self->file != 0 && self->disk->FailNext() != 0) return SQLITE_IOERR_TRUNCATE;
    const int code = Real(file)->pMethods->xTruncate(Real(file), size);
    if (code == SQLITE_OK && self->file != 0) {
      self->disk->Record(
          {.kind = DiskOperation::Kind::kTruncate, .file = self->file, .offset = size});
    }
    return code;
  }
  static int Sync(sqlite3_file* file, int flags) {
    using Kind = DiskOperation::Kind;
    RecordedFile* self = Of(file);
    if (self->file != 0 && self->disk->FailNext() != 0) {
      self->disk->Record({.kind = Kind::kFailedSync, .file = self->file});
      return SQLITE_IOERR_FSYNC;
    }
    const int code = Real(file)->pMethods->xSync(Real(file), flags);
    if (self->file != 0) {
      self->disk->Record(
          {.kind = code == SQLITE_OK ? Kind::kSync : Kind::kFailedSync, .file = self->file});
    }
    return code;
  }
  static int FileSize(sqlite3_file* file, sqlite3_int64* size) {
    return Real(file)->pMethods->xFileSize(Real(file), size);
  }
  static int Lock(sqlite3_file* file, int kind) {
    return Real(file)->pMethods->xLock(Real(file), kind);
  }
  static int Unlock(sqlite3_file* file, int kind) {
    return Real(file)->pMethods->xUnlock(Real(file), kind);
  }
  static int CheckReservedLock(sqlite3_file* file, int* result) {
    return Real(file)->pMethods->xCheckReservedLock(Real(file), result);
  }
  static int FileControl(sqlite3_file* file, int operation, void* argument) {
    // To answer OK here means that the pragma is done: SQLite does nothing more about it.
    if (operation == SQLITE_FCNTL_PRAGMA && Of(file)->disk->omissions_.commit_sync) {
      char* const* const words = static_cast<char**>(argument);
      if (words[2] != nullptr && std::string(words[1]) == "synchronous" &&
          std::string(words[2]) == "FULL") {
        return SQLITE_OK;
      }
    }
    return Real(file)->pMethods->xFileControl(Real(file), operation, argument);
  }
  static int SectorSize(sqlite3_file* file) {
    return Real(file)->pMethods->xSectorSize(Real(file));
  }
  static int DeviceCharacteristics(sqlite3_file* file) {
    return Real(file)->pMethods->xDeviceCharacteristics(Real(file));
  }
  static int ShmMap(sqlite3_file* file, int region, int size, int extend, void volatile** memory) {
    return Real(file)->pMethods->xShmMap(Real(file), region, size, extend, memory);
  }
  static int ShmLock(sqlite3_file* file, int offset, int count, int flags) {
    return Real(file)->pMethods->xShmLock(Real(file), offset, count, flags);
  }
  static void ShmBarrier(sqlite3_file* file) { Real(file)->pMethods->xShmBarrier(Real(file)); }
  static int ShmUnmap(sqlite3_file* file, int remove) {
    return Real(file)->pMethods->xShmUnmap(Real(file), remove);
  }

  static const sqlite3_io_methods* Methods() {
    static const sqlite3_io_methods methods = [] {
      sqlite3_io_methods m{};
      m.iVersion = 2;  // with shared memory, without memory-mapped pages
      m.xClose = Close;
      m.xRead = Read;
      m.xWrite = Write;
      m.xTruncate = Truncate;
      m.xSync = Sync;
      m.xFileSize = FileSize;
      m.xLock = Lock;
      m.xUnlock = Unlock;
      m.xCheckReservedLock = CheckReservedLock;
      m.xFileControl = FileControl;
      m.xSectorSize = SectorSize;
      m.xDeviceCharacteristics = DeviceCharacteristics;
      m.xShmMap = ShmMap;
      m.xShmLock = ShmLock;
      m.xShmBarrier = ShmBarrier;
      m.xShmUnmap = ShmUnmap;
      return m;
    }();
    return &methods;
  }
};

RecordingDisk::RecordingDisk(std::string folder) : RecordingDisk(std::move(folder), {}, {}) {}

RecordingDisk::RecordingDisk(std::string folder, const Omissions& omissions, const Fault& fault)
    : folder_(std::move(folder)),
      omissions_(omissions),
      fault_(fault),
      name_(absl::StrCat("recording-", reinterpret_cast<uintptr_t>(this))),
      vfs_(*sqlite3_vfs_find(nullptr)),
      real_(sqlite3_vfs_find(nullptr)),
      history_(folder_) {
  vfs_.zName = name_.c_str();
  vfs_.szOsFile = static_cast<int>(sizeof(RecordedFile)) + real_->szOsFile;
  vfs_.xOpen = VfsOpen;
  vfs_.xDelete = VfsDelete;
  vfs_.pAppData = this;
  sqlite3_vfs_register(&vfs_, 0);
  the_disk.store(this);
  // SQLite syncs folders behind its VFS; this is the call with which it opens them for that.
  real_open_directory_ =
      reinterpret_cast<int (*)(const char*, int*)>(real_->xGetSystemCall(real_, "openDirectory"));
  real_->xSetSystemCall(real_, "openDirectory",
                        reinterpret_cast<sqlite3_syscall_ptr>(&RecordingDisk::OpenDirectory));
  sqlite3_auto_extension(reinterpret_cast<void (*)()>(&RecordingDisk::OnConnect));
  SetFileCalls(this);
}

RecordingDisk::~RecordingDisk() {
  SetFileCalls(nullptr);
  sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(&RecordingDisk::OnConnect));
  real_->xSetSystemCall(real_, "openDirectory", nullptr);
  the_disk.store(nullptr);
  sqlite3_vfs_unregister(&vfs_);
}

// Of every connection that is opened, also with another VFS.
int RecordingDisk::OnConnect(sqlite3* database, const char**, const struct sqlite3_api_routines*) {
  sqlite3_exec(database, kCheckpointPages, nullptr, nullptr, nullptr);
  if (the_disk.load()->omissions_.commit_sync) {
    sqlite3_exec(database, "PRAGMA synchronous = NORMAL", nullptr, nullptr, nullptr);
  }
  return SQLITE_OK;
}

int RecordingDisk::OpenDirectory(const char* path, int* fd) {
  RecordingDisk* const disk = the_disk.load();
  const int code = disk->real_open_directory_(path, fd);
  if (code == SQLITE_OK) disk->SyncedFolder(FolderOf(path));
  return code;
}

int RecordingDisk::VfsOpen(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags,
                           int* out_flags) {
  auto* self = static_cast<RecordingDisk*>(vfs->pAppData);
  file->pMethods = nullptr;
  RecordedFile* const opened = RecordedFile::Of(file);
  opened->disk = self;
  opened->file = 0;
  const bool known = path != nullptr && self->Knows(path);
  const bool there = known && access(path, F_OK) == 0;
  if (known && !there && self->FailNext() != 0) return SQLITE_CANTOPEN;
  const int code =
      self->real_->xOpen(self->real_, path, RecordedFile::Real(file), flags, out_flags);
  if (code != SQLITE_OK) return code;
  if (known && !there) self->Made(path);
  if (known) opened->file = self->FileAt(path);
  opened->base.pMethods = RecordedFile::Methods();
  return SQLITE_OK;
}

int RecordingDisk::VfsDelete(sqlite3_vfs* vfs, const char* path, int sync_folder) {
  auto* self = static_cast<RecordingDisk*>(vfs->pAppData);
  if (self->Knows(path) && access(path, F_OK) == 0) {
    if (self->FailNext() == EIO) return SQLITE_IOERR_DELETE;
    // Before the call, which syncs the folder.
    self->Unlinked(path);
  }
  return self->real_->xDelete(self->real_, path, sync_folder);
}

int64_t RecordingDisk::Operations() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return history_.size();
}

int64_t RecordingDisk::Fallible() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return fallible_;
}

bool RecordingDisk::HasFailed() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return fault_.at > 0 && fallible_ >= fault_.at;
}

int RecordingDisk::FailNext() {
  const std::lock_guard<std::mutex> lock(mutex_);
  fallible_ += 1;
  const bool fails =
      fault_.at > 0 && (fallible_ == fault_.at || (fault_.for_ever && fallible_ > fault_.at));
  return fails ? fault_.error : 0;
}

bool RecordingDisk::Knows(const std::string& path) const {
  return absl::StartsWith(path, folder_ + "/");
}

void RecordingDisk::Record(DiskOperation operation) {
  const std::lock_guard<std::mutex> lock(mutex_);
  history_.Add(std::move(operation));
}

int64_t RecordingDisk::FileAt(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return files_.at(path);
}

void RecordingDisk::Made(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  files_[path] = ++last_file_;
  history_.Add({.kind = DiskOperation::Kind::kMake, .file = last_file_, .path = path});
}

void RecordingDisk::Unlinked(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  files_.erase(path);
  history_.Add({.kind = DiskOperation::Kind::kUnlink, .path = path});
}

void RecordingDisk::SyncedFolder(const std::string& path) {
  if (path == folder_ || Knows(path))
    Record({.kind = DiskOperation::Kind::kSyncFolder, .path = path});
}

int RecordingDisk::Open(const char* path, int flags, mode_t mode) {
  const bool folder = (flags & O_DIRECTORY) != 0;
  const bool there = access(path, F_OK) == 0;
  if (!folder) {
    if (const int error = FailNext(); error != 0) {
      errno = error;
      return -1;
    }
  }
  const int fd = FileCalls::Open(path, flags, mode);
  if (fd < 0) return fd;
  if (folder) {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_[fd] = {.folder = path};
    return fd;
  }
  if (!there) Made(path);
  const int64_t file = FileAt(path);
  if (there) Record({.kind = DiskOperation::Kind::kTruncate, .file = file, .offset = 0});
  const std::lock_guard<std::mutex> lock(mutex_);
  open_[fd] = {.file = file};
  return fd;
}

ssize_t RecordingDisk::Write(int fd, const void* bytes, size_t count) {
  const int error = FailNext();
  const ssize_t written = FileCalls::Write(fd, bytes, error == 0 ? count : count / 2);
  if (written >= 0) {
    const std::lock_guard<std::mutex> lock(mutex_);
    OpenFile& open = open_.at(fd);
    history_.Add(
        {.kind = DiskOperation::Kind::kWrite,
         .file = open.file,
         .offset = open.offset,
         .bytes = std::string(static_cast<const char*>(bytes), static_cast<size_t>(written))});
    open.offset += written;
  }
  if (error == 0) return written;
  errno = error;
  return -1;
}

int RecordingDisk::Sync(int fd) {
  OpenFile open;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    open = open_.at(fd);
  }
  const bool folder = !open.folder.empty();
  if (folder ? omissions_.folder_sync : omissions_.file_sync) return 0;
  if (const int error = FailNext(); error != 0) {
    // A folder's changes are in the file system's journal and are not forgotten.
    if (!folder) Record({.kind = DiskOperation::Kind::kFailedSync, .file = open.file});
    errno = error;
    return -1;
  }
  const int result = FileCalls::Sync(fd);
  if (result != 0) return result;
  if (folder) {
    SyncedFolder(open.folder);
  } else {
    Record({.kind = DiskOperation::Kind::kSync, .file = open.file});
  }
  return 0;
}

int RecordingDisk::Close(int fd) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    open_.erase(fd);
  }
  return FileCalls::Close(fd);
}

int RecordingDisk::Rename(const char* from, const char* to) {
  if (const int error = FailNext(); error != 0) {
    errno = error;
    return -1;
  }
  const int result = FileCalls::Rename(from, to);
  if (result != 0) return result;
  const std::lock_guard<std::mutex> lock(mutex_);
  const int64_t file = files_.at(from);
  files_.erase(from);
  files_[to] = file;
  history_.Add({.kind = DiskOperation::Kind::kRename, .file = file, .path = from, .to = to});
  return 0;
}

int RecordingDisk::Unlink(const char* path) {
  if (access(path, F_OK) == 0 && FailNext() == EIO) {  // a full disk can always remove
    errno = EIO;
    return -1;
  }
  const int result = FileCalls::Unlink(path);
  if (result == 0) Unlinked(path);
  return result;
}

int RecordingDisk::MakeFolder(const char* path, mode_t mode) {
  if (access(path, F_OK) != 0) {
    if (const int error = FailNext(); error != 0) {
      errno = error;
      return -1;
    }
  }
  const int result = FileCalls::MakeFolder(path, mode);
  if (result == 0) Record({.kind = DiskOperation::Kind::kMakeFolder, .path = path});
  return result;
}

int RecordingDisk::RemoveFolder(const char* path) {
  const int result = FileCalls::RemoveFolder(path);
  if (result == 0) Record({.kind = DiskOperation::Kind::kRemoveFolder, .path = path});
  return result;
}

DiskHistory RecordingDisk::History() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return history_;
}

}  // namespace anneal
