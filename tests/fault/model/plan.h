// What the clients of a model check do and when the daemon is killed: all of it follows from a
// seed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace anneal::model {

enum class Call {
  kSubmit,
  kSubmitOther,  // the request id of a job with another spec
  kPause,
  kResume,
  kCancel,
  kDelete,
  kGet,
  kList,
  kMetrics,
  kWatch,
};
std::string_view CallName(Call call);

struct PlannedJob {
  int64_t key = 0;  // no other job of the batch has it
  std::string name{};
  uint64_t seed = 0;
  int64_t epochs = 1;
  int32_t priority = 0;
  std::string request_id{};  // "": none, and then it is submitted once
};

struct PlannedCall {
  Call call = Call::kGet;
  size_t job = 0;          // index in the history
  bool retries = true;     // a submit whose answer was lost is sent again
  int64_t drop_every = 0;  // a watcher hangs up after so many events and comes again; 0: never
  bool when_running =
      false;        // it waits for the job to be RUNNING, unless it is PAUSED or has ended
  int meeting = 0;  // it waits until every client of the history has come to its call with this
                    // number; 0: it does not wait
};

// A few clients that share a few jobs.
struct PlannedHistory {
  std::vector<PlannedJob> jobs;
  std::vector<std::vector<PlannedCall>> clients;
};

struct PlannedKill {
  bool any = true;  // counts calls of every kind, else of `call` only
  Call call = Call::kSubmit;
  int64_t count = 1;            // with this one of the batch, from 1,
  bool after = false;           // when it has been answered, else when it begins,
  int64_t delay_us = 0;         // and then so much later
  int64_t again_after_us = -1;  // and once more so long after the new process began; -1: no
};

// Histories that happen at the same time in one daemon, which is killed under all of them.
struct PlannedBatch {
  uint64_t seed = 0;
  int64_t number = 0;  // from 0
  int workers = 1;
  int64_t haste = 1;       // SharedClock: how often a training's state is kept
  bool in_memory = false;  // the folder of data is on no disk, where there is such a place: commits
                           // are ten times as fast, and other races are likely
  std::vector<PlannedHistory> histories;
  std::vector<PlannedKill> kills;
};

// Histories in every batch.
inline constexpr int64_t kHistoriesPerBatch = 10;

PlannedBatch PlanBatch(uint64_t seed, int64_t number);

// The name of a job says its key; -1 where it does not.
std::string JobName(int64_t key);
int64_t JobKeyOf(std::string_view name);

// What all names of a history's jobs, and no others, contain.
std::string HistoryPrefix(size_t history);

}  // namespace anneal::model
