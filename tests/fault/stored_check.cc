#include "tests/fault/stored_check.h"

#include <SQLiteCpp/SQLiteCpp.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/core/strings.h"
#include "tests/fault/sha256.h"

namespace anneal {
namespace {

constexpr int64_t kAll = 1'000'000;

class Checker {
 public:
  Checker(Store& store, std::string artifacts) : store_(store), artifacts_(std::move(artifacts)) {}

  Violations Take() { return std::move(violations_); }

  template <typename... Parts>
  void Add(const Parts&... parts) {
    violations_.push_back(absl::StrCat(parts...));
  }

  void CheckDatabase(const std::string& path) {
    try {
      SQLite::Database database(path);
      const std::string found = database.execAndGet("PRAGMA integrity_check").getString();
      if (found != "ok") Add("integrity_check: ", found);
      SQLite::Statement broken(database, "PRAGMA foreign_key_check");
      if (broken.executeStep()) Add("foreign_key_check: ", broken.getColumn(0).getString());
      SQLite::Statement doubled(
          database, "SELECT name, count(*) FROM jobs GROUP BY name HAVING count(*) > 1");
      while (doubled.executeStep())
        Add("there are several jobs ", doubled.getColumn(0).getString());
    } catch (const std::exception& error) {
      Add("the database cannot be checked: ", error.what());
    }
  }

  void CheckAcks(const std::vector<Ack>& acks) {
    std::set<JobId> may_be_gone, is_gone;
    for (const Ack& ack : acks) {
      if (ack.kind == Ack::Kind::kDeleting) may_be_gone.insert(ack.id);
      if (ack.kind == Ack::Kind::kDeleted) is_gone.insert(ack.id);
    }
    for (const Ack& ack : acks) {
      if (ack.kind == Ack::Kind::kJob) {
        const absl::StatusOr<Job> job = store_.GetJob(ack.id);
        if (job.ok() && is_gone.count(ack.id) > 0) Add("job ", ack.id, " was deleted and is back");
        if (job.ok() && job->name != ack.text) {
          Add("job ", ack.id, " is '", job->name, "' and was accepted as '", ack.text, "'");
        }
        if (!job.ok() && may_be_gone.count(ack.id) == 0) {
          Add("accepted job ", ack.id, " (", ack.text, "): ", job.status().ToString());
        }
      }
      if (ack.kind == Ack::Kind::kEvent && may_be_gone.count(ack.id) == 0) {
        const std::vector<JobEvent>& events = EventsOf(ack.id);
        const auto index = static_cast<size_t>(ack.number - 1);
        if (index >= events.size()) {
          Add("event ", ack.number, " of job ", ack.id, " was seen and is lost: ", ack.text);
        } else if (const std::string stored = DescribeEvent(events[index]); stored != ack.text) {
          Add("event ", ack.number, " of job ", ack.id, " was seen as '", ack.text, "' and is '",
              stored, "'");
        }
      }
    }
  }

  // What is true of a job at any time: its events are without gaps, of an end there is one and it
  // is the last, every epoch told is stored once, every file that a row names is whole.
  void CheckJobs() {
    const absl::StatusOr<std::vector<Job>> jobs = store_.ListJobs(AllJobs());
    if (!jobs.ok()) return Add("the jobs cannot be listed: ", jobs.status().ToString());
    for (const Job& job : *jobs) {
      CheckEvents(job);
      for (const auto& [file, identity] : NamedFiles(job.id)) CheckFile(job, file, identity);
    }
  }

  void CheckExpected(bool disk_failed) {
    std::map<std::string, Job> jobs;
    const absl::StatusOr<std::vector<Job>> listed = store_.ListJobs(AllJobs());
    if (!listed.ok()) return Add("the jobs cannot be listed: ", listed.status().ToString());
    for (const Job& job : *listed) {
      const absl::StatusOr<Job> whole = store_.GetJob(job.id);
      if (!whole.ok()) return Add("job ", job.id, ": ", whole.status().ToString());
      jobs[job.name] = *whole;
    }
    for (const ExpectedJob& expected : ExpectedJobs()) {
      const auto found = jobs.find(expected.name);
      if (expected.deleted != (found == jobs.end())) {
        Add("job ", expected.name,
            expected.deleted ? " was deleted and is there" : " is not there");
        continue;
      }
      if (expected.deleted) continue;
      if (disk_failed && MayHaveFailed(found->second)) continue;
      CheckOutcome(expected, found->second);
    }
    if (jobs.size() > ExpectedJobs().size()) Add("there are ", jobs.size(), " jobs");
  }

  // A row may have no file only until CheckJobs; a file must have a row now.
  void CheckNoOtherFiles() {
    std::error_code none;
    for (const auto& folder : std::filesystem::directory_iterator(artifacts_, none)) {
      const std::string name = folder.path().filename().string();
      const std::optional<JobId> id = ParseJobId(name);
      if (!id.has_value() || !store_.GetJob(*id).ok()) {
        Add("the folder artifacts/", name, " is of no job");
        continue;
      }
      const std::map<std::string, Identity> named = NamedFiles(*id);
      for (const auto& file : std::filesystem::directory_iterator(folder.path(), none)) {
        const std::string relative = absl::StrCat(name, "/", file.path().filename().string());
        if (named.count(relative) == 0) Add("the file artifacts/", relative, " is in no row");
      }
    }
  }

 private:
  struct Identity {
    int64_t bytes = 0;
    std::string sha256;
  };

  const std::vector<JobEvent>& EventsOf(JobId id) {
    const auto known = events_.find(id);
    if (known != events_.end()) return known->second;
    absl::StatusOr<std::vector<JobEvent>> events = store_.ListEvents(id, 0, kAll);
    if (!events.ok()) events = std::vector<JobEvent>();
    return events_[id] = *std::move(events);
  }

  std::map<std::string, Identity> NamedFiles(JobId id) {
    std::map<std::string, Identity> files;
    const absl::StatusOr<CheckpointInfo> weights = store_.GetCheckpoint(id);
    if (weights.ok()) files[weights->file] = {weights->bytes, weights->sha256};
    if (!weights.ok() && !absl::IsNotFound(weights.status())) {
      Add("the weights of job ", id, ": ", weights.status().ToString());
    }
    const absl::StatusOr<std::vector<TrainingStateInfo>> states = store_.ListTrainingStates(id);
    if (!states.ok()) {
      Add("the states of job ", id, ": ", states.status().ToString());
      return files;
    }
    for (const TrainingStateInfo& state : *states) files[state.file] = {state.bytes, state.sha256};
    return files;
  }

  void CheckFile(const Job& job, const std::string& file, const Identity& identity) {
    const std::string path = artifacts_ + "/" + file;
    std::error_code unknown;
    if (!std::filesystem::is_regular_file(path, unknown)) {
      return Add("the row of job ", job.id, " (", job.name, ") names ", file,
                 ", which is not there");
    }
    std::ifstream stream(path, std::ios::binary);
    const std::string contents{std::istreambuf_iterator<char>(stream), {}};
    if (static_cast<int64_t>(contents.size()) != identity.bytes ||
        Sha256Of(contents) != identity.sha256) {
      Add("the row of job ", job.id, " (", job.name, ") names ", file, ", which has ",
          contents.size(), " bytes and is not what was written, ", identity.bytes, " bytes");
    }
  }

  void CheckEvents(const Job& job) {
    const std::vector<JobEvent>& events = EventsOf(job.id);
    if (events.empty()) return Add("job ", job.id, " has no event");
    std::vector<int64_t> told;
    for (size_t i = 0; i < events.size(); ++i) {
      if (events[i].sequence != static_cast<int64_t>(i) + 1) {
        Add("event ", i + 1, " of job ", job.id, " has the number ", events[i].sequence);
      }
      if (IsLast(events[i]) && i + 1 != events.size()) {
        Add("job ", job.id, " goes on after its end: ", DescribeEvent(events[i]), "; ",
            DescribeEvent(events[i + 1]));
      }
      if (const auto* epoch = std::get_if<EpochRecord>(&events[i].what)) {
        told.push_back(epoch->epoch);
      }
    }
    if (IsTerminal(job.state) != IsLast(events.back())) {
      Add("job ", job.id, " is ", ToAbsl(JobStateName(job.state)), ", and its last event is ",
          DescribeEvent(events.back()));
    }
    const absl::StatusOr<std::vector<EpochRecord>> epochs =
        store_.ListEpochs({.job_id = job.id, .metrics = {}});
    std::vector<int64_t> stored;
    if (epochs.ok()) {
      for (const EpochRecord& epoch : *epochs) stored.push_back(epoch.epoch);
    }
    if (told != stored) {
      Add("job ", job.id, " has the epochs ", absl::StrJoin(stored, " "), " and told of ",
          absl::StrJoin(told, " "));
    }
    for (size_t i = 0; i < stored.size(); ++i) {
      if (stored[i] != static_cast<int64_t>(i) + 1)
        Add("epoch ", i + 1, " of job ", job.id, " is missing");
    }
  }

  static bool MayHaveFailed(const Job& job) {
    return job.state == JobState::kFailed &&
           (job.stop_reason == StopReason::kStorage ||
            (job.kind == JobKind::kPrediction && job.stop_reason == StopReason::kInvalidData) ||
            job.kind == JobKind::kSweep);
  }

  void CheckOutcome(const ExpectedJob& expected, const Job& job) {
    const std::string who = absl::StrCat("job ", job.id, " (", job.name, ")");
    if (job.state != expected.state) {
      return Add(who, " is ", ToAbsl(JobStateName(job.state)), " ",
                 ToAbsl(StopReasonName(job.stop_reason)), " '", job.message, "', not ",
                 ToAbsl(JobStateName(expected.state)));
    }
    for (const Attempt& attempt : job.attempts) {
      if (attempt.end_time_us == 0) Add(who, " has ended and its attempt ", attempt.number, " not");
    }
    if (expected.kind == JobKind::kTraining) CheckTraining(who, expected, job);
    if (expected.kind == JobKind::kPrediction) CheckPrediction(who, job);
  }

  void CheckTraining(const std::string& who, const ExpectedJob& expected, const Job& job) {
    const absl::StatusOr<std::vector<EpochRecord>> epochs =
        store_.ListEpochs({.job_id = job.id, .metrics = {}});
    if (!epochs.ok()) return Add(who, ": ", epochs.status().ToString());
    if (static_cast<int64_t>(epochs->size()) != expected.epochs) {
      Add(who, " has ", epochs->size(), " epochs, not ", expected.epochs);
    }
    for (const EpochRecord& epoch : *epochs) {
      if (epoch.metrics != ChainMetrics(job.name, epoch.epoch)) {
        Add(who, ", epoch ", epoch.epoch, " has other metrics than undisturbed");
      }
    }
    if (expected.state != JobState::kSucceeded) return;
    const std::string sha256 = Sha256Of(ChainWeights(job.name, expected.epochs));
    if (!job.result.has_value() || job.result->weights_sha256 != sha256) {
      Add(who, " has other weights than undisturbed");
    }
    const absl::StatusOr<CheckpointInfo> weights = store_.GetCheckpoint(job.id);
    if (!weights.ok() || weights->sha256 != sha256) Add(who, " has no or other final weights");
    const auto states = store_.ListTrainingStates(job.id);
    if (!states.ok() || !states->empty()) Add(who, " has succeeded and keeps states");
  }

  void CheckPrediction(const std::string& who, const Job& job) {
    PredictionQuery query;
    query.job_id = job.id;
    query.limit = kAll;
    const absl::StatusOr<PredictionPage> page = store_.ListPredictions(query);
    if (!page.ok()) return Add(who, ": ", page.status().ToString());
    if (static_cast<int64_t>(page->rows.size()) != kPredictedImages) {
      Add(who, " has ", page->rows.size(), " images, not ", kPredictedImages);
    }
    const std::string weights = ChainWeights(kPredictingModel, 4);
    for (size_t i = 0; i < page->rows.size(); ++i) {
      const PredictionRow& row = page->rows[i];
      const auto classes = static_cast<int64_t>(row.deterministic_probabilities.size());
      if (row.image != static_cast<int64_t>(i)) Add(who, " has no image ", i, ", or several");
      if (row.fact(ImageFact::kPredicted) != ChainPrediction(weights, row.image, classes)) {
        Add(who, ", image ", row.image, " is predicted otherwise than undisturbed");
      }
    }
  }

  Store& store_;
  const std::string artifacts_;
  std::map<JobId, std::vector<JobEvent>> events_;
  Violations violations_;
};

void Append(Violations& to, Violations more, const std::string& when) {
  for (std::string& each : more) to.push_back(absl::StrCat(when, ": ", each));
}

}  // namespace

Violations CheckPromises(Store& store, const std::string& database, const std::string& artifacts,
                         const std::vector<Ack>& acks) {
  Checker checker(store, artifacts);
  checker.CheckDatabase(database);
  checker.CheckAcks(acks);
  checker.CheckJobs();
  return checker.Take();
}

Violations CheckFinished(Store& store, const std::string& artifacts, bool disk_failed) {
  Checker checker(store, artifacts);
  checker.CheckJobs();
  checker.CheckExpected(disk_failed);
  checker.CheckNoOtherFiles();
  return checker.Take();
}

Violations RecoverAndCheck(const std::string& folder, std::vector<Ack> acks, bool disk_failed) {
  Violations violations;
  AckLog log(std::move(acks));
  World world({.folder = folder, .patience_us = 10'000'000}, log);
  if (const absl::Status opened = world.OpenStore(); !opened.ok()) {
    return {absl::StrCat("the store cannot be opened: ", opened.ToString())};
  }
  Append(violations, CheckPromises(world.store(), world.database(), world.artifacts(), log.All()),
         "after the cut");
  if (!violations.empty()) return violations;
  if (const absl::Status finished = world.RunScenario(); !finished.ok()) {
    return {absl::StrCat("the scenario cannot be gone on with: ", finished.ToString())};
  }
  if (world.engine().DamagedStates() > 0) violations.push_back("a state was damaged");
  // In the same process nothing may be lost either; and what is put right at a start is right.
  world.Stop();
  if (const absl::Status started = world.Start(); !started.ok()) {
    return {absl::StrCat("the last start fails: ", started.ToString())};
  }
  Append(violations, CheckPromises(world.store(), world.database(), world.artifacts(), log.All()),
         "at the end");
  Append(violations, CheckFinished(world.store(), world.artifacts(), disk_failed), "at the end");
  if (const absl::Status deleted = world.DeleteAll(); !deleted.ok()) {
    violations.push_back(absl::StrCat("jobs cannot be deleted: ", deleted.ToString()));
  }
  world.Stop();
  std::error_code none;
  for (const auto& left : std::filesystem::directory_iterator(world.artifacts(), none)) {
    violations.push_back(absl::StrCat("all is deleted, and there is ", left.path().string()));
  }
  return violations;
}

std::string Lines(const Violations& violations) { return absl::StrJoin(violations, "\n"); }

}  // namespace anneal
