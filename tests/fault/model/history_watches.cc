// What HistoryRun sees through watches (history_run.h).
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/fault/model/history_run.h"
#include "tests/fault/model/job_check.h"
#include "tests/fault/model/refusal.h"
#include "tests/fault/model/shared_clock.h"

namespace anneal::model {

// Until the job has been RUNNING, or can be no more without somebody's doing. Nothing is said of
// what goes wrong: the next call will meet it.
void HistoryRun::AwaitRunning(const std::string& id) {
  const std::shared_ptr<Connection> connection = daemon_.Connect();
  if (connection == nullptr) return;
  grpc::ClientContext context;
  SetDeadline(context);
  v1::WatchJobRequest request;
  request.set_id(id);
  const auto reader = connection->jobs->WatchJob(&context, request);
  v1::WatchJobResponse response;
  while (reader->Read(&response)) {
    const v1::Job::State state = response.event().state_change().state();
    if (state == v1::Job::RUNNING || state == v1::Job::PAUSED || IsLastState(state)) break;
  }
  context.TryCancel();
  while (reader->Read(&response)) continue;
  (void)reader->Finish();
}

// Until the job's last event, over as many connections as it takes.
void HistoryRun::Watch(WatchRecord& record, const std::string& id, int64_t drop_every) {
  for (;;) {
    const std::shared_ptr<Connection> connection = daemon_.Connect();
    if (connection == nullptr) return;
    grpc::ClientContext context;
    SetDeadline(context);
    const int64_t seen = record.events.empty() ? 0 : record.events.back().event.sequence();
    v1::WatchJobRequest request;
    request.set_id(id);
    request.set_after_sequence(seen);
    const auto reader = connection->jobs->WatchJob(&context, request);
    v1::WatchJobResponse response;
    int64_t left = drop_every;
    while (reader->Read(&response)) {
      record.events.push_back({SharedNowUs(), response.event()});
      if (--left == 0) break;
    }
    if (left == 0 && drop_every > 0) {
      context.TryCancel();
      while (reader->Read(&response)) continue;
      (void)reader->Finish();
      continue;
    }
    const grpc::Status status = reader->Finish();
    if (status.error_code() == grpc::StatusCode::NOT_FOUND) return;  // deleted meanwhile
    if (status.ok()) {
      if (record.events.empty() ||
          !IsLastState(record.events.back().event.state_change().state())) {
        AddProblem(absl::StrCat("a watch of job ", id, " ended, although the job has not"));
      }
      return;
    }
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE &&
        daemon_.IsKilled(connection->generation)) {
      continue;
    }
    AddProblem(absl::StrCat("a watch of job ", id, " ended with ", StatusText(status), " after ",
                            record.events.size(), " events"));
    return;
  }
}

// All events of a job that has ended. False where that was interrupted.
bool HistoryRun::ReadLog(const std::string& id, std::vector<v1::JobEvent>& log) {
  log.clear();
  const std::shared_ptr<Connection> connection = daemon_.Connect();
  if (connection == nullptr) return false;
  grpc::ClientContext context;
  SetDeadline(context);
  v1::WatchJobRequest request;
  request.set_id(id);
  const auto reader = connection->jobs->WatchJob(&context, request);
  v1::WatchJobResponse response;
  while (reader->Read(&response)) log.push_back(response.event());
  const grpc::Status status = reader->Finish();
  if (status.ok()) return true;
  const bool is_expected = status.error_code() == grpc::StatusCode::NOT_FOUND ||
                           daemon_.IsKilled(connection->generation);
  if (!is_expected) {
    AddProblem(absl::StrCat("the events of job ", id, " cannot be read: ", StatusText(status)));
  }
  return false;
}

// Watches the job to its end, resuming it whenever it is paused. True where it has ended, is gone,
// or nothing more can be done.
bool HistoryRun::ResumeWhereNeeded(const PlannedJob& job, const std::string& id) {
  const std::shared_ptr<Connection> connection = daemon_.Connect();
  if (connection == nullptr) return true;
  grpc::ClientContext context;
  SetDeadline(context);
  v1::WatchJobRequest request;
  request.set_id(id);
  const auto reader = connection->jobs->WatchJob(&context, request);
  v1::WatchJobResponse response;
  bool ended = false;
  while (reader->Read(&response)) {
    if (!response.event().has_state_change()) continue;
    const v1::Job::State state = response.event().state_change().state();
    ended = IsLastState(state);
    if (state == v1::Job::PAUSED) OneJob(kLastClient, Call::kResume, job, id);
  }
  const grpc::Status status = reader->Finish();
  if (ended || status.error_code() == grpc::StatusCode::NOT_FOUND) return true;
  if (daemon_.failed()) return true;
  if (daemon_.IsKilled(connection->generation)) return false;
  AddProblem(absl::StrCat("job ", id, " (", job.name, ") does not end: its watch ended with ",
                          StatusText(status)));
  return true;
}

}  // namespace anneal::model
