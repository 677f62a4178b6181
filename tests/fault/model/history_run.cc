#include "tests/fault/model/history_run.h"

#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "tests/fault/model/chain_training.h"
#include "tests/fault/model/job_check.h"
#include "tests/fault/model/refusal.h"
#include "tests/fault/model/shared_clock.h"

namespace anneal::model {

HistoryRun::HistoryRun(size_t number, const PlannedHistory& plan, DaemonProcess& daemon,
                       Killer& killer)
    : number_(number), plan_(plan), daemon_(daemon), killer_(killer), jobs_(plan.jobs.size()) {}

HistoryRun::~HistoryRun() {
  for (std::thread& watcher : watchers_) {
    if (watcher.joinable()) watcher.join();
  }
}

void HistoryRun::RunClients() {
  std::vector<std::thread> clients;
  for (size_t client = 0; client < plan_.clients.size(); ++client)
    clients.emplace_back([this, client] { RunClient(static_cast<int>(client)); });
  for (std::thread& client : clients) client.join();
}

void HistoryRun::RunClient(int client) {
  for (const PlannedCall& call : plan_.clients[static_cast<size_t>(client)]) {
    if (call.meeting > 0) Meet(call.meeting);
    Make(client, call);
  }
}

// Blocks until all clients are here. Each comes to every meeting, whatever goes wrong.
void HistoryRun::Meet(int meeting) {
  const auto index = static_cast<size_t>(meeting);
  const MutexLock lock(mutex_);
  if (arrived_.size() <= index) arrived_.resize(index + 1);
  arrived_[index] += 1;
  met_.NotifyAll();
  while (arrived_[index] < plan_.clients.size()) met_.Wait(mutex_);
}

void HistoryRun::Make(int client, const PlannedCall& call) {
  const PlannedJob& job = plan_.jobs[call.job];
  const std::string id = IdOf(call.job);
  if (call.call == Call::kList) return List(client);
  if (call.when_running && !id.empty()) AwaitRunning(id);
  // A job that nobody knows yet can only be submitted.
  if (call.call == Call::kSubmit || id.empty()) return Submit(client, call);
  switch (call.call) {
    case Call::kSubmitOther:
      return SubmitOther(client, job);
    case Call::kDelete:
      return Delete(client, call.job, id);
    case Call::kMetrics:
      Metrics(client, job, id);
      return;
    case Call::kWatch:
      return StartWatch(call, id);
    default:
      OneJob(client, call.call, job, id);
  }
}

void HistoryRun::Submit(int client, const PlannedCall& call) {
  const PlannedJob& job = plan_.jobs[call.job];
  {
    const MutexLock lock(mutex_);
    Shared& shared = jobs_[call.job];
    // With the job its request id is deleted, and one without is submitted once.
    if (shared.may_be_deleted) return;
    if (job.request_id.empty() && (shared.submits > 0 || !shared.id.empty())) return;
    shared.submits += 1;
  }
  v1::CreateJobRequest request;
  *request.mutable_spec() = ChainSpec(job.name, job.seed, job.epochs);
  request.set_priority(job.priority);
  request.set_request_id(job.request_id);
  for (;;) {
    Operation operation{.client = client, .call = Call::kSubmit, .key = job.key};
    Operation::Outcome outcome = Operation::Outcome::kUnknown;
    const bool called =
        CallOnce(operation, &Jobs::CreateJob, request, [&](v1::CreateJobResponse& response) {
          operation.job = std::move(*response.mutable_job());
          operation.id = operation.job.id();
          Learn(call.job, operation.id);
        });
    outcome = operation.outcome;
    if (!called || outcome != Operation::Outcome::kUnknown) break;
    if (job.request_id.empty()) return;  // counts as under way for ever: nobody sends it again
    if (!call.retries) break;
  }
  const MutexLock lock(mutex_);
  jobs_[call.job].submits -= 1;
}

void HistoryRun::SubmitOther(int client, const PlannedJob& job) {
  if (job.request_id.empty()) return;
  const auto index = static_cast<size_t>(&job - plan_.jobs.data());
  {
    const MutexLock lock(mutex_);
    if (jobs_[index].may_be_deleted) return;
    jobs_[index].submits += 1;
  }
  v1::CreateJobRequest request;
  *request.mutable_spec() = ChainSpec(job.name, job.seed + 1, job.epochs);
  request.set_request_id(job.request_id);
  Operation operation{.client = client, .call = Call::kSubmitOther, .key = job.key};
  CallOnce(operation, &Jobs::CreateJob, request, [&](v1::CreateJobResponse& response) {
    operation.job = std::move(*response.mutable_job());
    operation.id = operation.job.id();
  });
  const MutexLock lock(mutex_);
  jobs_[index].submits -= 1;
}

Operation HistoryRun::OneJob(int client, Call call, const PlannedJob& job, const std::string& id) {
  Operation operation{.client = client, .call = call, .key = job.key, .id = id};
  const auto use = [&](v1::Job& answer) { operation.job = std::move(answer); };
  if (call == Call::kPause) {
    v1::PauseJobRequest request;
    request.set_id(id);
    CallOnce(operation, &Jobs::PauseJob, request, use);
  } else if (call == Call::kResume) {
    v1::ResumeJobRequest request;
    request.set_id(id);
    CallOnce(operation, &Jobs::ResumeJob, request, use);
  } else if (call == Call::kCancel) {
    v1::CancelJobRequest request;
    request.set_id(id);
    CallOnce(operation, &Jobs::CancelJob, request, use);
  } else {
    v1::GetJobRequest request;
    request.set_id(id);
    CallOnce(operation, &Jobs::GetJob, request, use);
  }
  return operation;
}

void HistoryRun::Delete(int client, size_t job, const std::string& id) {
  const PlannedJob& planned = plan_.jobs[job];
  // What there is to know of the job has to be read before it is gone.
  Operation get{.client = client, .call = Call::kGet, .key = planned.key, .id = id};
  v1::GetJobRequest get_request;
  get_request.set_id(id);
  v1::Job now;
  CallOnce(get, &Jobs::GetJob, get_request, [&](v1::Job& answer) {
    now = answer;
    get.job = std::move(answer);
  });
  if (get.outcome == Operation::Outcome::kUnknown) return;
  std::vector<v1::JobEvent> log;
  if (IsLastState(now.state()) && !ReadLog(id, log)) return;
  {
    const MutexLock lock(mutex_);
    Shared& shared = jobs_[job];
    if (shared.submits > 0) return;
    shared.may_be_deleted = true;
    if (!log.empty()) {
      shared.log_is_whole = true;
      shared.log = std::move(log);
    }
  }
  v1::DeleteJobRequest request;
  request.set_id(id);
  Operation operation{.client = client, .call = Call::kDelete, .key = planned.key, .id = id};
  CallOnce(operation, &Jobs::DeleteJob, request, [](google::protobuf::Empty&) {});
}

void HistoryRun::List(int client) {
  v1::ListJobsRequest request;
  request.set_name_contains(HistoryPrefix(number_));
  Operation operation{.client = client, .call = Call::kList};
  CallOnce(operation, &Jobs::ListJobs, request, [&](v1::ListJobsResponse& response) {
    for (v1::Job& job : *response.mutable_jobs()) operation.listed.push_back(std::move(job));
  });
}

Operation HistoryRun::Metrics(int client, const PlannedJob& job, const std::string& id) {
  v1::ListEpochMetricsRequest request;
  request.add_job_ids(id);
  Operation operation{.client = client, .call = Call::kMetrics, .key = job.key, .id = id};
  CallOnce(operation, &Jobs::ListEpochMetrics, request,
           [&](v1::ListEpochMetricsResponse& response) {
             for (v1::EpochMetrics& epoch : *response.mutable_epochs())
               operation.epochs.push_back(std::move(epoch));
           });
  return operation;
}

void HistoryRun::StartWatch(const PlannedCall& call, const std::string& id) {
  const MutexLock lock(mutex_);
  watches_.push_back(std::make_unique<WatchRecord>());
  WatchRecord* record = watches_.back().get();
  record->key = plan_.jobs[call.job].key;
  watchers_.emplace_back([this, record, id, drop = call.drop_every] { Watch(*record, id, drop); });
}

void HistoryRun::BringToEnd() {
  FindLostJobs();
  for (size_t job = 0; job < plan_.jobs.size(); ++job) {
    const std::string id = IdOf(job);
    if (id.empty()) continue;
    while (!ResumeWhereNeeded(plan_.jobs[job], id)) continue;
  }
  std::vector<std::thread> watchers;
  {
    const MutexLock lock(mutex_);
    watchers.swap(watchers_);
  }
  for (std::thread& watcher : watchers) watcher.join();
}

// Those that were made, although nobody was told.
void HistoryRun::FindLostJobs() {
  v1::ListJobsRequest request;
  request.set_name_contains(HistoryPrefix(number_));
  Operation operation{.client = kLastClient, .call = Call::kList};
  do {
    operation = Operation{.client = kLastClient, .call = Call::kList};
    const bool called =
        CallOnce(operation, &Jobs::ListJobs, request, [&](v1::ListJobsResponse& response) {
          for (v1::Job& job : *response.mutable_jobs()) operation.listed.push_back(std::move(job));
        });
    if (!called) return;
  } while (operation.outcome == Operation::Outcome::kUnknown);
  for (const v1::Job& listed : operation.listed) {
    for (size_t job = 0; job < plan_.jobs.size(); ++job) {
      if (plan_.jobs[job].name == listed.name()) Learn(job, listed.id());
    }
  }
}

HistoryRecord HistoryRun::Finish() {
  HistoryRecord record;  // of the jobs; what the clients saw comes last
  for (size_t job = 0; job < plan_.jobs.size(); ++job) {
    JobRecord& one = record.jobs.emplace_back();
    one.plan = plan_.jobs[job];
    one.id = IdOf(job);
    if (one.id.empty()) continue;
    Operation get = OneJob(kLastClient, Call::kGet, one.plan, one.id);
    one.last_epochs = Metrics(kLastClient, one.plan, one.id).epochs;
    if (get.outcome == Operation::Outcome::kOk) one.last = std::move(get.job);
    const MutexLock lock(mutex_);
    one.log_is_whole = jobs_[job].log_is_whole;
    one.log = jobs_[job].log;
  }
  for (JobRecord& job : record.jobs) {
    if (job.last.has_value()) job.log_is_whole = ReadLog(job.id, job.log);
  }
  List(kLastClient);
  HistoryRecord seen = TakeRecord();
  seen.jobs = std::move(record.jobs);
  return seen;
}

HistoryRecord HistoryRun::GiveUp() {
  constexpr int64_t kLookUs = 300'000;  // at a job that may never end
  HistoryRecord record = TakeRecord();
  const std::shared_ptr<Connection> connection = daemon_.ConnectAfterFailure();
  for (size_t job = 0; job < plan_.jobs.size(); ++job) {
    JobRecord& one = record.jobs.emplace_back();
    one.plan = plan_.jobs[job];
    one.id = IdOf(job);
    if (one.id.empty() || connection == nullptr) continue;
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::microseconds(kLookUs));
    v1::WatchJobRequest request;
    request.set_id(one.id);
    const auto reader = connection->jobs->WatchJob(&context, request);
    v1::WatchJobResponse response;
    while (reader->Read(&response)) one.log.push_back(response.event());
    (void)reader->Finish();
  }
  return record;
}

HistoryRecord HistoryRun::TakeRecord() {
  HistoryRecord record;
  const MutexLock lock(mutex_);
  record.operations = std::move(operations_);
  record.problems = std::move(problems_);
  for (const auto& watch : watches_) record.watches.push_back(std::move(*watch));
  return record;
}

template <typename Request, typename Response, typename Use>
bool HistoryRun::CallOnce(Operation& operation,
                          grpc::Status (Jobs::*method)(grpc::ClientContext*, const Request&,
                                                       Response*),
                          const Request& request, const Use& use) {
  const std::shared_ptr<Connection> connection = daemon_.Connect();
  if (connection == nullptr) {
    operation.outcome = Operation::Outcome::kUnknown;
    return false;
  }
  operation.generation = connection->generation;
  grpc::ClientContext context;
  SetDeadline(context);
  Response response;
  killer_.CallBegins(operation.call);
  operation.begin_us = SharedNowUs();
  const grpc::Status status = ((*connection->jobs).*method)(&context, request, &response);
  operation.end_us = SharedNowUs();
  SetOutcome(status, operation);
  if (status.ok()) use(response);
  // Large, and nothing is asked about them.
  operation.job.clear_spec();
  operation.job.clear_summary();
  Add(operation);
  killer_.CallEnds(operation.call);
  return true;
}

void HistoryRun::SetOutcome(const grpc::Status& status, Operation& operation) {
  if (status.ok()) {
    operation.outcome = Operation::Outcome::kOk;
    return;
  }
  operation.error = StatusText(status);
  operation.reason = ReasonOf(status);
  const bool connection_broke = status.error_code() == grpc::StatusCode::UNAVAILABLE ||
                                status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED;
  operation.outcome =
      connection_broke ? Operation::Outcome::kUnknown : Operation::Outcome::kRefused;
  if (connection_broke && !daemon_.IsKilled(operation.generation)) {
    AddProblem(absl::StrCat(
        "client ", operation.client, ": ", std::string(CallName(operation.call)), " of job '",
        operation.id, "' ended with ", operation.error, " although nobody had killed the daemon"));
  }
}

void HistoryRun::SetDeadline(grpc::ClientContext& context) const {
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::microseconds(daemon_.patience_us()));
}

std::string HistoryRun::IdOf(size_t job) {
  const MutexLock lock(mutex_);
  return jobs_[job].id;
}

void HistoryRun::Learn(size_t job, const std::string& id) {
  const MutexLock lock(mutex_);
  if (jobs_[job].id.empty()) jobs_[job].id = id;
}

void HistoryRun::Add(Operation operation) {
  const MutexLock lock(mutex_);
  operations_.push_back(std::move(operation));
}

void HistoryRun::AddProblem(std::string problem) {
  daemon_.Fail();
  const MutexLock lock(mutex_);
  problems_.push_back(std::move(problem));
}

}  // namespace anneal::model
