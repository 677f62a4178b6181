// The store on SQLite: one file in WAL mode (with FILE-wal and FILE-shm beside it while it is
// open), one writer with group commit, a pool of readers. See store.h for what it promises.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/clock.h"
#include "storage/store.h"

namespace anneal {

class Connection;
class GroupCommit;
class ReaderPool;

class SqliteStore final : public Store {
 public:
  struct Options {
    int readers = 4;              // reads at a time; more wait for each other
    int busy_timeout_ms = 5'000;  // how long another process may hold the file before UNAVAILABLE
    int max_group = 256;          // mutations in one commit
    std::string vfs;              // name of a registered SQLite VFS; "": the usual one
  };

  // Since opening.
  struct Counters {
    int64_t mutations = 0;  // that returned OK
    int64_t commits = 0;    // that made them durable
    int64_t waiting = 0;    // mutations that wait for the writer now
  };

  // Opens the database at `path`, creates it where there is none, migrates it where it is older.
  // `clock` must outlive the store. Reads the whole file once (PRAGMA quick_check).
  //
  // FAILED_PRECONDITION: the folder does not exist or is not writable; the file is another
  // program's database or one of a newer Anneal. DATA_LOSS: the file is damaged; the message says
  // what a person can do.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(const std::string& path,
                                                           const Clock& clock,
                                                           const Options& options);

  // No call may be under way.
  ~SqliteStore() override;

  absl::StatusOr<CreatedJob> CreateJob(const NewJob& job) override;
  absl::StatusOr<UpdatedJob> UpdateJob(JobId id, const JobUpdate& update) override;
  absl::StatusOr<StartedAttempt> BeginAttempt(JobId id, const std::string& fingerprint) override;
  absl::StatusOr<std::optional<JobEvent>> AppendEpoch(JobId id, int64_t attempt,
                                                      const EpochRecord& record) override;
  absl::StatusOr<JobEvent> AppendWarning(JobId id, const std::string& text) override;
  absl::StatusOr<std::vector<JobEvent>> EndAttempt(JobId id, int64_t attempt,
                                                   const AttemptEnd& end) override;
  absl::StatusOr<JobEvent> ChangeState(JobId id, JobState from, JobState to, StopReason stop_reason,
                                       const std::string& message) override;
  absl::StatusOr<std::vector<JobEvent>> AppendTrialEnds(JobId sweep_id) override;
  absl::StatusOr<std::vector<JobEvent>> CancelWaitingTrials(JobId sweep_id) override;
  absl::StatusOr<std::vector<JobId>> RecoverInterrupted(int64_t max_restarts) override;
  absl::StatusOr<KeptState> AppendTrainingState(
      JobId id, int64_t attempt, const TrainingStateInfo& state) override;
  absl::StatusOr<int64_t> BeginPredictions(JobId id, int64_t attempt,
                                           const PredictionSet& set) override;
  absl::Status AppendPredictions(JobId id, int64_t attempt, const PredictionChunk& chunk) override;
  absl::StatusOr<std::vector<JobId>> DeleteJob(JobId id) override;

  absl::StatusOr<Job> GetJob(JobId id) override;
  absl::StatusOr<std::vector<Job>> ListJobs(const JobQuery& query) override;
  absl::StatusOr<std::vector<Job>> ListQueued() override;
  absl::StatusOr<std::vector<JobDeadline>> ListDeadlines() override;
  absl::StatusOr<std::vector<TrialRow>> ListTrials(const TrialQuery& query) override;
  absl::StatusOr<std::vector<JobId>> ListOpenSweeps() override;
  absl::StatusOr<std::vector<EpochRecord>> ListEpochs(const EpochQuery& query) override;
  absl::StatusOr<std::vector<LastEpoch>> ListLastEpochs(const std::vector<JobId>& ids) override;
  absl::StatusOr<CheckpointInfo> GetCheckpoint(JobId id) override;
  absl::StatusOr<std::vector<TrainingStateInfo>> ListTrainingStates(JobId id) override;
  absl::StatusOr<std::vector<std::string>> ListFiles() override;
  absl::StatusOr<PredictionSet> GetPredictionSet(JobId id) override;
  absl::StatusOr<PredictionPage> ListPredictions(const PredictionQuery& query) override;
  absl::Status ReadPredictions(
      JobId id, const std::function<absl::Status(const PredictionChunk&)>& visit) override;
  absl::StatusOr<std::vector<JobEvent>> ListEvents(JobId id, int64_t after_sequence,
                                                   int64_t limit) override;

  // The file may not grow beyond `bytes` (rounded up to pages; never below its present size) until
  // this is called again or the store is closed: what does not fit is RESOURCE_EXHAUSTED.
  absl::Status LimitSize(int64_t bytes);

  Counters GetCounters() const;

 private:
  SqliteStore(const Clock& clock, std::unique_ptr<GroupCommit> writer,
              std::unique_ptr<ReaderPool> readers);

  template <typename T>
  absl::StatusOr<T> Write(
      const std::function<absl::StatusOr<T>(Connection&, int64_t now_us)>& mutation);
  template <typename T>
  absl::StatusOr<T> Read(const std::function<absl::StatusOr<T>(Connection&)>& read);

  const Clock& clock_;
  const std::unique_ptr<GroupCommit> writer_;
  const std::unique_ptr<ReaderPool> readers_;  // closed before the writer, which puts the log away
};

}  // namespace anneal
