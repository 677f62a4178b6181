// What happened in a batch, as its clients saw it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "anneal/v1/job.pb.h"
#include "anneal/v1/result.pb.h"
#include "tests/fault/model/daemon_process.h"
#include "tests/fault/model/plan.h"
#include "tests/fault/model/work_log.h"

namespace anneal::model {

// The client that brings a history to its end, after all others.
inline constexpr int kLastClient = -1;

struct Operation {
  enum class Outcome {
    kOk,
    kRefused,
    kUnknown,  // the daemon was killed: it has taken effect, or not
  };
  int client = 0;
  Call call = Call::kGet;
  int64_t key = -1;  // of the job; -1: of none
  std::string id{};  // of the job that was asked for, or that the answer is about
  int64_t generation = 0;
  int64_t begin_us = 0;
  int64_t end_us = 0;  // kUnknown: when the process was gone
  Outcome outcome = Outcome::kOk;
  std::string reason{};                    // kRefused: ErrorInfo.reason
  std::string error{};                     // not kOk: code and text
  v1::Job job{};                           // kOk, where the answer is or has one
  std::vector<v1::Job> listed{};           // kList
  std::vector<v1::EpochMetrics> epochs{};  // kMetrics
};

struct WatchedEvent {
  int64_t time_us = 0;  // when it was received
  v1::JobEvent event;
};

// One watcher of one job, over all its connections.
struct WatchRecord {
  int64_t key = -1;
  std::vector<WatchedEvent> events{};
};

struct JobRecord {
  PlannedJob plan;
  std::string id{};  // "": it was never made
  // All its events; known where `log_is_whole`. Read when all was over, or before it was deleted.
  bool log_is_whole = false;
  std::vector<v1::JobEvent> log;
  // When all was over; nothing where it had been deleted.
  std::optional<v1::Job> last;
  std::vector<v1::EpochMetrics> last_epochs;
};

struct HistoryRecord {
  std::vector<Operation> operations;
  std::vector<WatchRecord> watches;
  std::vector<JobRecord> jobs;
  std::vector<std::string> problems;  // seen on the way
};

struct BatchRecord {
  PlannedBatch plan;
  std::string folder;
  std::vector<HistoryRecord> histories;
  std::vector<Generation> generations;
  std::vector<WorkRecord> work;
  std::vector<std::string> problems;  // of no single history
  bool gave_up = false;               // something went wrong on the way: the rest cannot be judged
  std::string daemon_output;
};

}  // namespace anneal::model
