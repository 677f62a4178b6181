#include "tests/storage/fault_vfs.h"

#include <filesystem>

#include "absl/strings/str_cat.h"
#include "tests/storage/storage_test_support.h"

namespace anneal {

// What SQLite gets as its file: our methods, and behind it in the same memory the real file.
struct FaultFile {
  sqlite3_file base;
  FaultVfs* owner;
  std::string* path;

  static FaultFile* Of(sqlite3_file* file) { return reinterpret_cast<FaultFile*>(file); }
  static sqlite3_file* Real(sqlite3_file* file) {
    return reinterpret_cast<sqlite3_file*>(Of(file) + 1);
  }

  static int Close(sqlite3_file* file) {
    const int code = Real(file)->pMethods->xClose(Real(file));
    delete Of(file)->path;
    return code;
  }
  static int Read(sqlite3_file* file, void* data, int size, sqlite3_int64 offset) {
    return Real(file)->pMethods->xRead(Real(file), data, size, offset);
  }
  static int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
    const int code = Of(file)->owner->BeforeWrite();
    return code != SQLITE_OK ? code : Real(file)->pMethods->xWrite(Real(file), data, size, offset);
  }
  static int Truncate(sqlite3_file* file, sqlite3_int64 size) {
    return Real(file)->pMethods->xTruncate(Real(file), size);
  }
  static int Sync(sqlite3_file* file, int flags) {
    int code = Of(file)->owner->BeforeSync();
    if (code == SQLITE_OK) code = Real(file)->pMethods->xSync(Real(file), flags);
    if (code == SQLITE_OK) Of(file)->owner->AfterSync(*Of(file)->path);
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

FaultVfs::FaultVfs()
    : name_(absl::StrCat("fault-", reinterpret_cast<uintptr_t>(this))),
      vfs_(*sqlite3_vfs_find(nullptr)),
      real_(sqlite3_vfs_find(nullptr)) {
  vfs_.zName = name_.c_str();
  vfs_.szOsFile = static_cast<int>(sizeof(FaultFile)) + real_->szOsFile;
  vfs_.xOpen = Open;
  vfs_.xDelete = Delete;
  vfs_.pAppData = this;  // of the real one's methods only xOpen looks at it, and gets its own
  sqlite3_vfs_register(&vfs_, 0);
}

FaultVfs::~FaultVfs() { sqlite3_vfs_unregister(&vfs_); }

int FaultVfs::Open(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags,
                   int* out_flags) {
  auto* self = static_cast<FaultVfs*>(vfs->pAppData);
  file->pMethods = nullptr;
  const int code = self->real_->xOpen(self->real_, path, FaultFile::Real(file), flags, out_flags);
  if (code != SQLITE_OK) return code;
  FaultFile* opened = FaultFile::Of(file);
  opened->owner = self;
  opened->path = new std::string(path == nullptr ? "" : path);
  opened->base.pMethods = FaultFile::Methods();
  return SQLITE_OK;
}

int FaultVfs::Delete(sqlite3_vfs* vfs, const char* path, int sync_folder) {
  auto* self = static_cast<FaultVfs*>(vfs->pAppData);
  const int code = self->real_->xDelete(self->real_, path, sync_folder);
  if (code == SQLITE_OK) self->AfterDelete(path);
  return code;
}

void FaultVfs::FailWrites(int code) {
  MutexLock lock(mutex_);
  write_code_ = code;
}

void FaultVfs::FailSyncs(int code) {
  MutexLock lock(mutex_);
  sync_code_ = code;
}

void FaultVfs::HoldSyncs() {
  MutexLock lock(mutex_);
  hold_ = true;
}

void FaultVfs::AwaitHeldSync() {
  MutexLock lock(mutex_);
  while (held_ == 0) changed_.Wait(mutex_);
}

void FaultVfs::ReleaseSyncs() {
  MutexLock lock(mutex_);
  hold_ = false;
  changed_.NotifyAll();
}

int64_t FaultVfs::Syncs() const {
  MutexLock lock(mutex_);
  return syncs_;
}

void FaultVfs::WriteDurableFiles(const std::string& folder) const {
  MutexLock lock(mutex_);
  for (const auto& [path, bytes] : durable_) {
    WriteFile((std::filesystem::path(folder) / std::filesystem::path(path).filename()).string(),
              bytes);
  }
}

int FaultVfs::BeforeWrite() {
  MutexLock lock(mutex_);
  return write_code_;
}

int FaultVfs::BeforeSync() {
  MutexLock lock(mutex_);
  ++held_;
  changed_.NotifyAll();
  while (hold_) changed_.Wait(mutex_);
  --held_;
  return sync_code_;
}

void FaultVfs::AfterSync(const std::string& path) {
  std::string bytes = ReadFile(path);
  MutexLock lock(mutex_);
  ++syncs_;
  durable_[path] = std::move(bytes);
}

void FaultVfs::AfterDelete(const std::string& path) {
  MutexLock lock(mutex_);
  durable_.erase(path);
}

}  // namespace anneal
