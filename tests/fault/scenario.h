// A little life of a daemon: a client submits, pauses, resumes, cancels, predicts, deletes and
// restarts, against the real store, scheduler and files, with an engine that can be checked. It can
// be cut off anywhere and gone on with, and what it comes to is known beforehand.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/scheduler/event_bus.h"
#include "server/scheduler/scheduler.h"
#include "storage/sqlite_store.h"
#include "tests/fault/acks.h"
#include "tests/fault/chain_engine.h"
#include "tests/support/fake_catalog.h"

namespace anneal {

// The daemon, and its client. Used by one thread.
class World {
 public:
  struct Options {
    std::string folder{};                   // holds anneal.db and artifacts/; exists
    std::string vfs{};                      // SQLite's; "": the usual one
    int64_t storage_retry_us = 10'000'000;  // of the scheduler
    int64_t patience_us = 30'000'000;       // how long the client waits and tries again
    std::function<bool()> gives_up{};       // asked while it waits: no need to go on; may be empty
  };

  // What was acknowledged before is in `acks`; what is, is added to them.
  World(Options options, AckLog& acks);
  ~World();

  // Goes through the steps that are not done. OK: to the end. Else why a step could not be done in
  // time; nothing crashes.
  absl::Status RunScenario();

  // The store and the scheduler are there and run, as after a start of the daemon. Their errors.
  absl::Status Start();
  absl::Status OpenStore();
  void Stop();  // in order, as by SIGTERM

  // All jobs deleted that are left.
  absl::Status DeleteAll();

  Store& store() { return *store_; }
  const ChainEngine& engine() const { return engine_; }
  std::string database() const { return options_.folder + "/anneal.db"; }
  std::string artifacts() const { return options_.folder + "/artifacts"; }

 private:
  struct Step;
  static const std::vector<Step>& Steps();

  bool GivesUp(int64_t deadline_us) const;
  void Pause();
  void Watch(JobId id);
  JobId IdOf(const std::string& name) const;
  absl::Status See(JobId id);
  absl::Status StopScheduler();
  absl::Status Submit(const NewJob& job);
  absl::Status SubmitAtOnce(const std::vector<NewJob>& jobs);
  absl::Status AwaitState(const std::string& name, const std::vector<JobState>& states);
  absl::Status AwaitEnd(const std::string& name);
  absl::Status AwaitHeld(const std::string& name);
  using Action = absl::StatusOr<Job> (Scheduler::*)(JobId);
  absl::Status Act(const std::string& name, Action action);
  absl::Status Delete(JobId id);

  const Options options_;
  AckLog& acks_;
  JumpingClock clock_;
  ChainEngine engine_{clock_};
  FakeCatalog catalog_;
  std::unique_ptr<SqliteStore> store_;
  EventBus bus_;
  std::vector<std::pair<JobId, std::unique_ptr<EventBus::Subscription>>> watched_;
  std::unique_ptr<Scheduler> scheduler_;
};

inline JobQuery AllJobs() {
  JobQuery query;
  query.limit = 1'000'000;
  return query;
}

// How a job of the scenario ends when nothing goes wrong with the disk.
struct ExpectedJob {
  std::string name;
  JobKind kind = JobKind::kTraining;
  int64_t epochs = 0;  // of a training; of a CANCELLED one those it must have
  JobState state = JobState::kSucceeded;
  bool deleted = false;
};
const std::vector<ExpectedJob>& ExpectedJobs();
inline constexpr char kPredictingModel[] = "alpha";  // the prediction's training
inline constexpr int64_t kPredictedImages = 10;

}  // namespace anneal
