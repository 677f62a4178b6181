#include "tests/fault/disk_history.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>

namespace anneal {
namespace {

constexpr int64_t kSectorBytes = 512;

std::string FolderOf(const std::string& path) {
  return std::filesystem::path(path).parent_path().string();
}

std::string NameOf(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

// Bytes beyond the end become zeros first.
void Overwrite(std::string& contents, int64_t offset, const char* bytes, int64_t count) {
  const auto end = static_cast<size_t>(offset + count);
  if (contents.size() < end) contents.resize(end);
  std::memcpy(contents.data() + offset, bytes, static_cast<size_t>(count));
}

// The disk as it is after the power came back.
class Leftover {
 public:
  explicit Leftover(uint64_t seed) : random_(seed), certain_only_(seed == 0) {
    // Some failures lose all, some nothing, some here and there.
    constexpr double kShares[] = {0, 1, 0.5, 0.9, 0.1};
    data_share_ = kShares[random_() % std::size(kShares)];
    name_share_ = kShares[random_() % std::size(kShares)];
    if (certain_only_) data_share_ = name_share_ = 0;
  }

  void Do(const DiskOperation& operation) {
    using Kind = DiskOperation::Kind;
    switch (operation.kind) {
      case Kind::kMake:
      case Kind::kRename:
      case Kind::kUnlink:
      case Kind::kMakeFolder:
      case Kind::kRemoveFolder:
        folders_[FolderOf(operation.path)].pending.push_back(&operation);
        break;
      case Kind::kSyncFolder: {
        Folder& folder = folders_[operation.path];
        for (const DiskOperation* change : folder.pending) Apply(*change, folder.names);
        folder.pending.clear();
        break;
      }
      case Kind::kWrite:
      case Kind::kTruncate:
        files_[operation.file].pending.push_back({&operation, false});
        break;
      case Kind::kFailedSync:
        for (Change& change : files_[operation.file].pending) change.doomed = true;
        break;
      case Kind::kSync: {
        File& file = files_[operation.file];
        for (const Change& change : file.pending) {
          if (!change.doomed) Apply(*change.operation, file.contents);
        }
        file.pending.clear();
        break;
      }
    }
  }

  // `path`: the folder that was recorded; `target`: where it comes to.
  void Write(const std::string& path, const std::string& target) {
    std::filesystem::create_directories(target);
    Folder& folder = folders_[path];
    for (const DiskOperation* change : folder.pending) {
      if (Survives(name_share_)) Apply(*change, folder.names);
    }
    for (const auto& [name, file] : folder.names) {
      if (file == kFolder) {
        Write(path + "/" + name, target + "/" + name);
      } else {
        std::ofstream(target + "/" + name, std::ios::binary) << Contents(files_[file]);
      }
    }
  }

 private:
  static constexpr int64_t kFolder = -1;

  struct Folder {
    std::map<std::string, int64_t> names;  // durable
    std::vector<const DiskOperation*> pending;
  };
  struct Change {
    const DiskOperation* operation = nullptr;
    bool doomed = false;  // a sync has failed since
  };
  struct File {
    std::string contents;  // durable
    std::vector<Change> pending;
  };

  bool Survives(double share) {
    return std::uniform_real_distribution<double>(0, 1)(random_) < share;
  }

  static void Apply(const DiskOperation& operation, std::map<std::string, int64_t>& names) {
    using Kind = DiskOperation::Kind;
    if (operation.kind == Kind::kMake) names[NameOf(operation.path)] = operation.file;
    if (operation.kind == Kind::kMakeFolder) names[NameOf(operation.path)] = kFolder;
    if (operation.kind == Kind::kUnlink || operation.kind == Kind::kRemoveFolder ||
        operation.kind == Kind::kRename) {
      names.erase(NameOf(operation.path));
    }
    if (operation.kind == Kind::kRename) names[NameOf(operation.to)] = operation.file;
  }

  static void Apply(const DiskOperation& operation, std::string& contents) {
    if (operation.kind == DiskOperation::Kind::kTruncate) {
      contents.resize(static_cast<size_t>(operation.offset));
    } else {
      Overwrite(contents, operation.offset, operation.bytes.data(),
                static_cast<int64_t>(operation.bytes.size()));
    }
  }

  std::string Contents(const File& file) {
    std::string contents = file.contents;
    for (const Change& change : file.pending) {
      const DiskOperation& operation = *change.operation;
      if (operation.kind == DiskOperation::Kind::kTruncate) {
        if (Survives(data_share_)) Apply(operation, contents);
        continue;
      }
      const auto end = operation.offset + static_cast<int64_t>(operation.bytes.size());
      for (int64_t at = operation.offset; at < end;) {
        const int64_t next = std::min(end, (at / kSectorBytes + 1) * kSectorBytes);
        if (Survives(data_share_)) {
          Overwrite(contents, at, operation.bytes.data() + (at - operation.offset), next - at);
        } else if (!certain_only_ && static_cast<int64_t>(contents.size()) < next &&
                   Survives(0.3)) {
          Lengthen(contents, next);
        }
        at = next;
      }
    }
    return contents;
  }

  // The length was written and the data was not.
  void Lengthen(std::string& contents, int64_t size) {
    const size_t before = contents.size();
    contents.resize(static_cast<size_t>(size));
    if (!Survives(0.5)) return;
    for (size_t i = before; i < contents.size(); ++i) contents[i] = static_cast<char>(random_());
  }

  std::mt19937_64 random_;
  const bool certain_only_;
  double data_share_ = 0;
  double name_share_ = 0;
  std::map<std::string, Folder> folders_;
  std::map<int64_t, File> files_;
};

}  // namespace

void DiskHistory::WriteAfterCut(int64_t operations, uint64_t seed,
                                const std::string& folder) const {
  Leftover leftover(seed);
  for (int64_t i = 0; i < operations; ++i) leftover.Do(operations_[static_cast<size_t>(i)]);
  leftover.Write(folder_, folder);
}

}  // namespace anneal
