// Helpers for the tests of the store.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/core/job.h"
#include "server/core/metrics.h"
#include "storage/sqlite_store.h"
#include "tests/support/manual_clock.h"

namespace anneal {

// A folder that ends with the object.
class TempFolder {
 public:
  TempFolder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "anneal-storage-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempFolder(const TempFolder&) = delete;
  TempFolder& operator=(const TempFolder&) = delete;

  std::string File(const std::string& name) const { return (path_ / name).string(); }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

inline std::string ReadFile(const std::string& path) {
  std::string bytes(std::filesystem::file_size(path), '\0');
  std::ifstream(path, std::ios::binary)
      .read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return bytes;
}

inline void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

// Everything of a value as text, doubles bit for bit (NaN as "nan"), so that two can be compared
// and read.
inline std::string Describe(const std::vector<MetricValue>& metrics) {
  std::string text = "{";
  for (const MetricValue& metric : metrics) {
    char value[64];
    std::snprintf(value, sizeof value, "%a", metric.value);
    text += metric.name + "=" + (metric.value != metric.value ? "nan" : value) + " ";
  }
  return text + "}";
}

inline std::string Describe(const EpochRecord& record) {
  std::ostringstream text;
  text << "epoch " << record.epoch << " attempt " << record.attempt << " at " << record.time_us
       << " took " << record.duration_us << " " << Describe(record.metrics);
  return text.str();
}

inline std::string Describe(const TrainingResult& result) {
  std::ostringstream text;
  text << "result epochs " << result.epochs << " best " << result.best_epoch << " weights "
       << result.weights_sha256 << " " << Describe(result.metrics);
  return text.str();
}

inline std::string Describe(const JobEvent& event) {
  std::ostringstream text;
  text << "job " << event.job_id << " #" << event.sequence << " at " << event.time_us << ": ";
  if (const auto* change = std::get_if<JobEvent::StateChange>(&event.what)) {
    text << JobStateName(change->state) << " " << StopReasonName(change->stop_reason) << " '"
         << change->message << "' attempt " << change->attempt;
  } else if (const auto* record = std::get_if<EpochRecord>(&event.what)) {
    text << Describe(*record);
  } else if (const auto* warning = std::get_if<JobEvent::Warning>(&event.what)) {
    text << "warning '" << warning->text << "'";
  } else if (const auto* end = std::get_if<JobEvent::TrialEnd>(&event.what)) {
    text << "trial " << end->trial << " (job " << end->job_id << ") " << JobStateName(end->state);
  } else if (const auto* kept = std::get_if<JobEvent::StateKept>(&event.what)) {
    text << "state kept: " << kept->epochs << " epochs, " << kept->batches << " batches, "
         << kept->bytes << " bytes";
  } else if (const auto* note = std::get_if<JobEvent::Note>(&event.what)) {
    text << "note '" << note->text << "'";
  } else {
    text << Describe(std::get<TrainingResult>(event.what));
  }
  return text.str();
}

inline std::string Describe(const Labels& labels) {
  std::string text = "{";
  for (const auto& [key, value] : labels) text += key + "=" + value + " ";
  return text + "}";
}

inline std::string Describe(const Job& job) {
  std::ostringstream text;
  text << job.id << " '" << job.name << "' " << JobStateName(job.state) << " "
       << StopReasonName(job.stop_reason) << " '" << job.message << "' priority " << job.priority
       << " times " << job.create_time_us << " " << job.start_time_us << " " << job.end_time_us
       << " spec of " << job.spec.size() << " bytes " << std::hash<std::string>()(job.spec) << " "
       << job.spec_sha256 << " attempts " << job.attempt_count << " owner '" << job.owner << "' "
       << Describe(job.labels) << " limits " << job.limits.deadline_us << " "
       << job.limits.max_run_time_us << " needs " << job.needs.memory_bytes << " "
       << job.needs.work_flops << " front " << job.front << " restarts " << job.restarts;
  for (const Attempt& attempt : job.attempts) {
    text << " [" << attempt.number << " " << attempt.start_time_us << " " << attempt.end_time_us
         << " " << attempt.outcome << " " << attempt.fingerprint;
    if (const std::optional<TimeSpent>& spent = attempt.time_spent) {
      text << " spent " << spent->loading_us << " " << spent->training_us << " "
           << spent->validating_us << " " << spent->saving_us;
    }
    text << "]";
  }
  if (job.result) text << " " << Describe(*job.result);
  return text.str();
}

template <typename T>
std::vector<std::string> DescribeAll(const std::vector<T>& values) {
  std::vector<std::string> texts;
  for (const T& value : values) texts.push_back(Describe(value));
  return texts;
}

inline std::vector<JobId> Ids(const std::vector<Job>& jobs) {
  std::vector<JobId> ids;
  for (const Job& job : jobs) ids.push_back(job.id);
  return ids;
}

inline absl::StatusCode Code(const absl::Status& status) { return status.code(); }
template <typename T>
absl::StatusCode Code(const absl::StatusOr<T>& result) {
  return result.status().code();
}

inline bool Says(const absl::Status& status, const std::string& part) {
  return std::string(status.message()).find(part) != std::string::npos;
}

inline EpochRecord MakeEpoch(int64_t epoch, std::vector<MetricValue> metrics = {{"loss", 0.5}}) {
  EpochRecord record;
  record.epoch = epoch;
  record.duration_us = 1000 * epoch;
  record.metrics = std::move(metrics);
  return record;
}

inline NewJob MakeJob(const std::string& name = "job", int32_t priority = 0) {
  NewJob job;
  job.name = name;
  job.priority = priority;
  job.spec = "spec of " + name;
  job.spec_sha256 = "sha of " + name;
  return job;
}

// A sweep of so many trials, each with one setting.
inline NewJob MakeSweep(int trials, const std::string& name = "sweep", int32_t priority = 0) {
  NewJob job = MakeJob(name, priority);
  job.kind = JobKind::kSweep;
  for (int i = 1; i <= trials; ++i) {
    const std::string number = std::to_string(i);
    job.trials.push_back({name + "/" + number,
                          "spec of trial " + number,
                          "sha of trial " + number,
                          {{"training.batch_size", number}}});
  }
  return job;
}

inline EpochQuery EpochsOf(JobId id, int64_t after_epoch = 0, int64_t limit = 1000) {
  EpochQuery query;
  query.job_id = id;
  query.after_epoch = after_epoch;
  query.limit = limit;
  return query;
}

// A store in a folder of its own.
class StoreTest : public testing::Test {
 protected:
  void SetUp() override { Open(); }

  void Open() {
    store_.reset();
    auto store = SqliteStore::Open(path_, clock_, options_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  JobId Create(const NewJob& job) {
    const auto created = store_->CreateJob(job);
    EXPECT_TRUE(created.ok()) << created.status();
    return created.ok() ? created->job.id : 0;
  }
  JobId Create(const std::string& name = "job", int32_t priority = 0) {
    return Create(MakeJob(name, priority));
  }

  // A new job brought to `state` by legal changes.
  JobId CreateIn(JobState state) {
    const JobId id = Create();
    const auto change = [&](JobState from, JobState to) {
      const auto event = store_->ChangeState(id, from, to, StopReason::kNone, "");
      EXPECT_TRUE(event.ok()) << event.status();
    };
    const auto end = [&](JobState from, JobState to, StopReason reason, const char* outcome) {
      const auto events = store_->EndAttempt(id, 1, {from, to, reason, "over", outcome, {}});
      EXPECT_TRUE(events.ok()) << events.status();
    };
    if (state == JobState::kQueued) return id;
    if (state == JobState::kPaused) {
      change(JobState::kQueued, JobState::kPaused);
      return id;
    }
    const auto started = store_->BeginAttempt(id, "cpu");
    EXPECT_TRUE(started.ok()) << started.status();
    switch (state) {
      case JobState::kPausing:
      case JobState::kCancelling: change(JobState::kRunning, state); break;
      case JobState::kSucceeded:
        end(JobState::kRunning, state, StopReason::kCompleted, "SUCCEEDED");
        break;
      case JobState::kFailed:
        end(JobState::kRunning, state, StopReason::kDiverged, "FAILED");
        break;
      case JobState::kCancelled:
        change(JobState::kRunning, JobState::kCancelling);
        end(JobState::kCancelling, state, StopReason::kUser, "CANCELLED");
        break;
      default: break;
    }
    return id;
  }

  Job Get(JobId id) {
    const auto job = store_->GetJob(id);
    EXPECT_TRUE(job.ok()) << job.status();
    return job.ok() ? *job : Job();
  }

  // Runs the job to its end, with an epoch for each value of `metric`.
  void RunTo(JobId id, JobState state, const std::string& metric,
             const std::vector<double>& values) {
    const auto started = store_->BeginAttempt(id, "cpu");
    ASSERT_TRUE(started.ok()) << started.status();
    for (size_t i = 0; i < values.size(); ++i) {
      const auto stored = store_->AppendEpoch(
          id, started->attempt, MakeEpoch(static_cast<int64_t>(i) + 1, {{metric, values[i]}}));
      ASSERT_TRUE(stored.ok()) << stored.status();
    }
    AttemptEnd end;
    end.to = state;
    end.stop_reason =
        state == JobState::kSucceeded ? StopReason::kCompleted : StopReason::kDiverged;
    const auto ended = store_->EndAttempt(id, started->attempt, end);
    ASSERT_TRUE(ended.ok()) << ended.status();
  }

  std::vector<JobEvent> Events(JobId id) {
    const auto events = store_->ListEvents(id, 0, 1'000'000);
    EXPECT_TRUE(events.ok()) << events.status();
    return events.ok() ? *events : std::vector<JobEvent>();
  }

  TempFolder folder_;
  ManualClock clock_;
  std::string path_ = folder_.File("anneal.db");
  SqliteStore::Options options_;
  std::unique_ptr<SqliteStore> store_;
};

}  // namespace anneal
