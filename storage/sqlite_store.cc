#include "storage/sqlite_store.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"
#include "storage/checkpoint_rows.h"
#include "storage/connection.h"
#include "storage/file_check.h"
#include "storage/group_commit.h"
#include "storage/mutations.h"
#include "storage/prediction_query.h"
#include "storage/prediction_rows.h"
#include "storage/reader_pool.h"
#include "storage/reads.h"
#include "storage/schema.h"
#include "storage/training_state_rows.h"

namespace anneal {
namespace {

absl::Status Configure(Connection& connection) {
  return connection.Guard([&]() -> absl::Status {
    SQLite::Database& database = connection.database();
    // To the end: the change is committed after the row that tells of it, and may fail then. In
    // another mode a commit would not survive a power failure.
    SQLite::Statement change(database, "PRAGMA journal_mode = WAL");
    std::string mode;
    while (change.executeStep()) mode = change.getColumn(0).getString();
    if (mode != "wal") {
      return absl::FailedPreconditionError(
          absl::StrCat("database '", connection.path(), "': its file system allows journal mode '",
                       mode, "' only, not write-ahead logging; put it on a local disk"));
    }
    database.exec("PRAGMA synchronous = FULL");  // every commit waits for the disk
    database.exec("PRAGMA foreign_keys = ON");
    // Some builds of SQLite write zeros over every page that is freed: to delete the predictions of
    // a million images would write 200 MB, on a disk that may be full, while all others wait.
    database.exec("PRAGMA secure_delete = FAST");
    database.exec("PRAGMA journal_size_limit = 67108864");  // the log shrinks to this when it can
    return absl::OkStatus();
  });
}

}  // namespace

SqliteStore::SqliteStore(const Clock& clock, std::unique_ptr<GroupCommit> writer,
                         std::unique_ptr<ReaderPool> readers)
    : clock_(clock), writer_(std::move(writer)), readers_(std::move(readers)) {}

SqliteStore::~SqliteStore() = default;

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& path,
                                                               const Clock& clock,
                                                               const Options& options) {
  if (path.empty()) return absl::InvalidArgumentError("the path of the database is empty");
  std::error_code error;
  // Absolute, also because SQLite gives ":memory:" and "file:..." meanings of their own.
  const std::string absolute = std::filesystem::absolute(path, error).string();
  if (error) return absl::InternalError(absl::StrCat("path '", path, "': ", error.message()));
  RETURN_IF_ERROR(CheckFolder(absolute));
  RETURN_IF_ERROR(CheckFileSize(absolute));

  ASSIGN_OR_RETURN(std::unique_ptr<Connection> connection,
                   Connection::Open(absolute, Connection::Mode::kReadWriteCreate,
                                    options.busy_timeout_ms, options.vfs));
  // Whose file it is, before anything is written to it.
  RETURN_IF_ERROR(CheckedVersion(*connection, Migrations().back().version).status());
  RETURN_IF_ERROR(CheckFileSize(absolute));  // again: it is mended now, if it can be
  RETURN_IF_ERROR(CheckContent(*connection));
  RETURN_IF_ERROR(Migrate(*connection, Migrations()));
  RETURN_IF_ERROR(Configure(*connection));
  ASSIGN_OR_RETURN(
      std::unique_ptr<ReaderPool> readers,
      ReaderPool::Open(absolute, options.readers, options.busy_timeout_ms, options.vfs));
  auto writer = std::make_unique<GroupCommit>(std::move(connection),
                                              static_cast<size_t>(std::max(options.max_group, 1)));
  return std::unique_ptr<SqliteStore>(
      new SqliteStore(clock, std::move(writer), std::move(readers)));
}

template <typename T>
absl::StatusOr<T> SqliteStore::Write(
    const std::function<absl::StatusOr<T>(Connection&, int64_t)>& mutation) {
  std::optional<T> value;
  RETURN_IF_ERROR(writer_->Run([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(value, mutation(connection, clock_.NowUs()));
    return absl::OkStatus();
  }));
  return *std::move(value);
}

template <typename T>
absl::StatusOr<T> SqliteStore::Read(const std::function<absl::StatusOr<T>(Connection&)>& read) {
  std::optional<T> value;
  RETURN_IF_ERROR(readers_->Read([&](Connection& connection) -> absl::Status {
    ASSIGN_OR_RETURN(value, read(connection));
    return absl::OkStatus();
  }));
  return *std::move(value);
}

absl::StatusOr<CreatedJob> SqliteStore::CreateJob(const NewJob& job) {
  return Write<CreatedJob>(
      [&](Connection& connection, int64_t now_us) { return WriteJob(connection, job, now_us); });
}

absl::StatusOr<UpdatedJob> SqliteStore::UpdateJob(JobId id, const JobUpdate& update) {
  return Write<UpdatedJob>([&](Connection& connection, int64_t now_us) {
    return WriteUpdate(connection, id, update, now_us);
  });
}

absl::StatusOr<StartedAttempt> SqliteStore::BeginAttempt(JobId id, const std::string& fingerprint) {
  return Write<StartedAttempt>([&](Connection& connection, int64_t now_us) {
    return WriteAttempt(connection, id, fingerprint, now_us);
  });
}

absl::StatusOr<std::optional<JobEvent>> SqliteStore::AppendEpoch(JobId id, int64_t attempt,
                                                                 const EpochRecord& record) {
  return Write<std::optional<JobEvent>>([&](Connection& connection, int64_t now_us) {
    return WriteEpoch(connection, id, attempt, record, now_us);
  });
}

absl::StatusOr<JobEvent> SqliteStore::AppendWarning(JobId id, const std::string& text) {
  return Write<JobEvent>([&](Connection& connection, int64_t now_us) {
    return WriteWarning(connection, id, text, now_us);
  });
}

absl::StatusOr<std::vector<JobEvent>> SqliteStore::EndAttempt(JobId id, int64_t attempt,
                                                              const AttemptEnd& end) {
  return Write<std::vector<JobEvent>>([&](Connection& connection, int64_t now_us) {
    return WriteAttemptEnd(connection, id, attempt, end, now_us);
  });
}

absl::StatusOr<JobEvent> SqliteStore::ChangeState(JobId id, JobState from, JobState to,
                                                  StopReason stop_reason,
                                                  const std::string& message) {
  return Write<JobEvent>([&](Connection& connection, int64_t now_us) {
    return WriteStateChange(connection, id, from, to, stop_reason, message, now_us);
  });
}

absl::StatusOr<std::vector<JobEvent>> SqliteStore::AppendTrialEnds(JobId sweep_id) {
  return Write<std::vector<JobEvent>>([&](Connection& connection, int64_t now_us) {
    return WriteTrialEnds(connection, sweep_id, now_us);
  });
}

absl::StatusOr<std::vector<JobEvent>> SqliteStore::CancelWaitingTrials(JobId sweep_id) {
  return Write<std::vector<JobEvent>>([&](Connection& connection, int64_t now_us) {
    return WriteTrialCancels(connection, sweep_id, now_us);
  });
}

absl::StatusOr<std::vector<JobId>> SqliteStore::RecoverInterrupted(int64_t max_restarts) {
  return Write<std::vector<JobId>>([&](Connection& connection, int64_t now_us) {
    return WriteRecovery(connection, max_restarts, now_us);
  });
}

absl::StatusOr<KeptState> SqliteStore::AppendTrainingState(
    JobId id, int64_t attempt, const TrainingStateInfo& state) {
  return Write<KeptState>([&](Connection& connection, int64_t now_us) {
    return WriteTrainingState(connection, id, attempt, state, now_us);
  });
}

absl::StatusOr<int64_t> SqliteStore::BeginPredictions(JobId id, int64_t attempt,
                                                      const PredictionSet& set) {
  return Write<int64_t>([&](Connection& connection, int64_t) {
    return WritePredictionSet(connection, id, attempt, set);
  });
}

absl::Status SqliteStore::AppendPredictions(JobId id, int64_t attempt,
                                            const PredictionChunk& chunk) {
  return writer_->Run([&](Connection& connection) {
    return WritePredictionChunk(connection, id, attempt, chunk);
  });
}

absl::StatusOr<std::vector<JobId>> SqliteStore::DeleteJob(JobId id) {
  return Write<std::vector<JobId>>(
      [&](Connection& connection, int64_t) { return EraseJob(connection, id); });
}

absl::StatusOr<Job> SqliteStore::GetJob(JobId id) {
  return Read<Job>([&](Connection& connection) { return ReadJob(connection, id); });
}

absl::StatusOr<std::vector<Job>> SqliteStore::ListJobs(const JobQuery& query) {
  return Read<std::vector<Job>>(
      [&](Connection& connection) { return ReadJobs(connection, query); });
}

absl::StatusOr<std::vector<Job>> SqliteStore::ListQueued() {
  return Read<std::vector<Job>>([&](Connection& connection) { return ReadQueued(connection); });
}

absl::StatusOr<std::vector<JobDeadline>> SqliteStore::ListDeadlines() {
  return Read<std::vector<JobDeadline>>(
      [&](Connection& connection) { return ReadDeadlines(connection); });
}

absl::StatusOr<std::vector<TrialRow>> SqliteStore::ListTrials(const TrialQuery& query) {
  return Read<std::vector<TrialRow>>(
      [&](Connection& connection) { return ReadTrials(connection, query); });
}

absl::StatusOr<std::vector<JobId>> SqliteStore::ListOpenSweeps() {
  return Read<std::vector<JobId>>(
      [&](Connection& connection) { return ReadOpenSweeps(connection); });
}

absl::StatusOr<std::vector<EpochRecord>> SqliteStore::ListEpochs(const EpochQuery& query) {
  return Read<std::vector<EpochRecord>>(
      [&](Connection& connection) { return ReadEpochs(connection, query); });
}

absl::StatusOr<std::vector<LastEpoch>> SqliteStore::ListLastEpochs(const std::vector<JobId>& ids) {
  return Read<std::vector<LastEpoch>>(
      [&](Connection& connection) { return ReadLastEpochs(connection, ids); });
}

absl::StatusOr<CheckpointInfo> SqliteStore::GetCheckpoint(JobId id) {
  return Read<CheckpointInfo>([&](Connection& connection) { return ReadCheckpoint(connection, id); });
}

absl::StatusOr<std::vector<TrainingStateInfo>> SqliteStore::ListTrainingStates(JobId id) {
  return Read<std::vector<TrainingStateInfo>>(
      [&](Connection& connection) { return ReadTrainingStates(connection, id); });
}

absl::StatusOr<std::vector<std::string>> SqliteStore::ListFiles() {
  return Read<std::vector<std::string>>(
      [](Connection& connection) { return ReadFiles(connection); });
}

absl::StatusOr<PredictionSet> SqliteStore::GetPredictionSet(JobId id) {
  return Read<PredictionSet>(
      [&](Connection& connection) { return ReadPredictionSet(connection, id); });
}

absl::StatusOr<PredictionPage> SqliteStore::ListPredictions(const PredictionQuery& query) {
  return Read<PredictionPage>(
      [&](Connection& connection) { return ReadPredictionPage(connection, query); });
}

absl::Status SqliteStore::ReadPredictions(
    JobId id, const std::function<absl::Status(const PredictionChunk&)>& visit) {
  return readers_->Read(
      [&](Connection& connection) { return ReadPredictionChunks(connection, id, visit); });
}

absl::StatusOr<std::vector<JobEvent>> SqliteStore::ListEvents(JobId id, int64_t after_sequence,
                                                              int64_t limit) {
  return Read<std::vector<JobEvent>>(
      [&](Connection& connection) { return ReadEvents(connection, id, after_sequence, limit); });
}

absl::Status SqliteStore::LimitSize(int64_t bytes) {
  return writer_->Run([&](Connection& connection) {
    SQLite::Database& database = connection.database();
    const int64_t page = database.execAndGet("PRAGMA page_size").getInt64();
    const int64_t pages = std::max<int64_t>((bytes + page - 1) / page, 1);
    // PRAGMA takes no bound values; this is a number.
    database.exec(absl::StrCat("PRAGMA max_page_count = ", pages));
    return absl::OkStatus();
  });
}

SqliteStore::Counters SqliteStore::GetCounters() const {
  const GroupCommit::Counters counters = writer_->GetCounters();
  return {counters.mutations, counters.commits, counters.waiting};
}

}  // namespace anneal
