#include "server/rpc/job_service.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"
#include "server/rpc/convert.h"
#include "server/rpc/convert_predictions.h"
#include "server/rpc/digest.h"
#include "server/rpc/job_lookup.h"
#include "server/rpc/job_request.h"
#include "server/rpc/page_query.h"
#include "server/rpc/page_token.h"
#include "server/rpc/status.h"
#include "server/rpc/unary.h"
#include "server/rpc/utf8.h"
#include "server/rpc/watch_reactor.h"
#include "server/scheduler/stored_models.h"
#include "server/spec/needs.h"
#include "server/spec/validated_prediction.h"
#include "server/spec/validated_spec.h"

namespace anneal {
JobService::JobService(Store& store, Scheduler& scheduler, EventBus& bus, const Engine& engine,
                       const DatasetCatalog& catalog)
    : store_(store),
      scheduler_(scheduler),
      bus_(bus),
      engine_(engine),
      catalog_(catalog),
      view_(store, scheduler) {}

void JobService::StopWatching() {
  watches_.Close(WithReason(
      absl::UnavailableError("the daemon is stopping; watch again from the last sequence number"),
      "STOPPING"));
}

absl::StatusOr<v1::Job> JobService::Get(const v1::GetJobRequest& request) {
  ASSIGN_OR_RETURN(const JobId id, RequireJobId(request.id()));
  const absl::StatusOr<Job> job = store_.GetJob(id);
  if (!job.ok()) return AboutJob(request.id(), job.status(), "");
  ASSIGN_OR_RETURN(v1::Job proto, view_.Whole(*job));
  if (job->kind == JobKind::kPrediction) return proto;
  // Shapes are those of the data set as it is now; without it, or where the spec is not valid any
  // more, nothing is said.
  v1::JobSpec once = proto.spec();
  once.clear_search();  // the summary is of the training: a thousand trials need not be judged
  if (const ValidationResult validation = Validate(once, catalog_);
      validation.spec.has_value()) {
    *proto.mutable_summary() = validation.spec->summary();
  }
  return proto;
}

absl::StatusOr<v1::ListJobsResponse> JobService::List(const v1::ListJobsRequest& request) {
  ASSIGN_OR_RETURN(const int64_t page_size, ResolvePageSize(request.page_size(), 50, 1000));
  JobQuery query;
  query.name_contains = request.name_contains();
  std::vector<Violation> violations;
  for (int i = 0; i < request.states_size(); ++i) {
    const v1::Job::State state = request.states(i);
    if (state == v1::Job::STATE_UNSPECIFIED || !v1::Job::State_IsValid(state)) {
      violations.push_back(
          {absl::StrCat("states[", i, "]"),
           absl::StrCat("there is no state with the number ", static_cast<int>(state))});
    } else if (const auto known = static_cast<JobState>(state);
               std::find(query.states.begin(), query.states.end(), known) == query.states.end()) {
      query.states.push_back(known);
    }
    if (violations.size() >= 100) break;
  }
  ReadListRequest(request, query, violations);
  if (!violations.empty()) return InvalidRequest(violations);
  if (!request.sweep_id().empty()) {
    ASSIGN_OR_RETURN(query.sweep_id, RequireJobId(request.sweep_id()));
    if (const absl::StatusOr<Job> sweep = store_.GetJob(query.sweep_id); !sweep.ok())
      return AboutJob(request.sweep_id(), sweep.status(), "");
  }
  if (!request.model_job_id().empty()) {
    ASSIGN_OR_RETURN(query.model_job_id, RequireJobId(request.model_job_id()));
    if (const absl::StatusOr<Job> model = store_.GetJob(query.model_job_id); !model.ok())
      return AboutJob(request.model_job_id(), model.status(), "");
  }
  const std::string page_query = PageQuery(request);
  if (!request.page_token().empty()) {
    ASSIGN_OR_RETURN(const std::vector<int64_t> cursor,
                     DecodePageToken(page_query, request.page_token(), 1));
    query.before_id = cursor[0];
  }
  query.limit = page_size + 1;  // one more tells whether there is a next page
  ASSIGN_OR_RETURN(std::vector<Job> jobs, store_.ListJobs(query));
  v1::ListJobsResponse response;
  if (static_cast<int64_t>(jobs.size()) > page_size) {
    jobs.resize(static_cast<size_t>(page_size));
    response.set_next_page_token(EncodePageToken(page_query, {jobs.back().id}));
  }
  ASSIGN_OR_RETURN(std::vector<v1::Job> views, view_.List(jobs));
  for (v1::Job& view : views) *response.add_jobs() = std::move(view);
  return response;
}

absl::StatusOr<v1::Job> JobService::Update(const v1::UpdateJobRequest& request) {
  ASSIGN_OR_RETURN(const JobId id, RequireJobId(request.id()));
  std::vector<Violation> violations;
  const JobUpdate update = ReadJobUpdate(request, violations);
  if (!violations.empty()) return InvalidRequest(violations);
  const absl::StatusOr<Job> job = scheduler_.Update(id, update);
  if (!job.ok()) return CannotChange(id, request.id(), job.status(), "JOB_NOT_WAITING");
  return view_.Whole(*job);
}

absl::StatusOr<v1::Job> JobService::Cancel(const v1::CancelJobRequest& request) {
  ASSIGN_OR_RETURN(const JobId id, RequireJobId(request.id()));
  const absl::StatusOr<Job> job = scheduler_.Cancel(id);
  if (!job.ok()) return AboutJob(request.id(), job.status(), "JOB_ENDED");
  return view_.Whole(*job);
}

// `status` of a job that cannot be changed: because it has ended, or for another reason.
absl::Status JobService::CannotChange(JobId id, const std::string& requested,
                                      const absl::Status& status, std::string_view precondition) {
  const absl::StatusOr<Job> now = store_.GetJob(id);
  const bool ended = now.ok() && IsTerminal(now->state);
  return AboutJob(requested, status, ended ? "JOB_ENDED" : precondition);
}

absl::StatusOr<v1::Job> JobService::Pause(const v1::PauseJobRequest& request) {
  ASSIGN_OR_RETURN(const JobId id, RequireJobId(request.id()));
  const absl::StatusOr<Job> job = scheduler_.Pause(id);
  if (!job.ok()) return CannotChange(id, request.id(), job.status(), "JOB_NOT_PAUSABLE");
  return view_.Whole(*job);
}

absl::StatusOr<v1::Job> JobService::Resume(const v1::ResumeJobRequest& request) {
  ASSIGN_OR_RETURN(const JobId id, RequireJobId(request.id()));
  const absl::StatusOr<Job> job = scheduler_.Resume(id);
  if (!job.ok()) return CannotChange(id, request.id(), job.status(), "JOB_NOT_PAUSED");
  return view_.Whole(*job);
}

absl::StatusOr<google::protobuf::Empty> JobService::Delete(const v1::DeleteJobRequest& request) {
  ASSIGN_OR_RETURN(const JobId id, RequireJobId(request.id()));
  const absl::Status deleted = scheduler_.Delete(id);
  if (!deleted.ok()) return AboutJob(request.id(), deleted, "JOB_NOT_ENDED");
  return google::protobuf::Empty();
}

absl::StatusOr<v1::ListEpochMetricsResponse> JobService::ListEpochs(
    const v1::ListEpochMetricsRequest& request) {
  ASSIGN_OR_RETURN(const int64_t page_size, ResolvePageSize(request.page_size(), 1000, 10'000));
  std::vector<Violation> violations;
  if (request.job_ids().empty()) violations.push_back({"job_ids", "name at least one job"});
  if (request.job_ids_size() > kMaxMetricsJobs) {
    violations.push_back({"job_ids", absl::StrCat("at most ", kMaxMetricsJobs,
                                                  " jobs at once, are ", request.job_ids_size())});
  }
  if (request.metrics_size() > kMaxMetricNames) {
    violations.push_back({"metrics", absl::StrCat("at most ", kMaxMetricNames, " names, are ",
                                                  request.metrics_size())});
  }
  if (!violations.empty()) return InvalidRequest(violations);
  std::vector<JobId> ids;
  for (const std::string& text : request.job_ids()) {
    ASSIGN_OR_RETURN(const JobId id, RequireJobId(text));
    ids.push_back(id);
  }

  EpochQuery query;
  query.metrics.assign(request.metrics().begin(), request.metrics().end());
  const std::string page_query = PageQuery(request);
  size_t index = 0;
  if (request.page_token().empty()) {
    // A job that does not exist is told on the first page, not when its turn comes.
    for (size_t i = 0; i < ids.size(); ++i) {
      query.job_id = ids[i];
      query.limit = 1;
      if (const auto rows = store_.ListEpochs(query); !rows.ok()) {
        return AboutJob(request.job_ids(static_cast<int>(i)), rows.status(), "");
      }
    }
  } else {
    ASSIGN_OR_RETURN(const std::vector<int64_t> cursor,
                     DecodePageToken(page_query, request.page_token(), 2));
    index = static_cast<size_t>(cursor[0]);
    query.after_epoch = cursor[1];
  }

  v1::ListEpochMetricsResponse response;
  while (index < ids.size()) {
    query.job_id = ids[index];
    const int64_t room = page_size - response.epochs_size();
    query.limit = room + 1;  // one more tells whether there is a next page
    const absl::StatusOr<std::vector<EpochRecord>> rows = store_.ListEpochs(query);
    if (!rows.ok()) return AboutJob(request.job_ids(static_cast<int>(index)), rows.status(), "");
    for (const EpochRecord& row : *rows) {
      if (response.epochs_size() == page_size) {
        response.set_next_page_token(
            EncodePageToken(page_query, {static_cast<int64_t>(index), query.after_epoch}));
        return response;
      }
      *response.add_epochs() = ToProto(query.job_id, row);
      query.after_epoch = row.epoch;
    }
    ++index;
    query.after_epoch = 0;
  }
  return response;
}

grpc::ServerUnaryReactor* JobService::CreateJob(grpc::CallbackServerContext* context,
                                                const v1::CreateJobRequest* request,
                                                v1::CreateJobResponse* response) {
  return Reply(context, response, Create(*request));
}

grpc::ServerUnaryReactor* JobService::GetJob(grpc::CallbackServerContext* context,
                                             const v1::GetJobRequest* request, v1::Job* response) {
  return Reply(context, response, Get(*request));
}

grpc::ServerUnaryReactor* JobService::ListJobs(grpc::CallbackServerContext* context,
                                               const v1::ListJobsRequest* request,
                                               v1::ListJobsResponse* response) {
  return Reply(context, response, List(*request));
}

grpc::ServerWriteReactor<v1::WatchJobResponse>* JobService::WatchJob(
    grpc::CallbackServerContext* /*context*/, const v1::WatchJobRequest* request) {
  const absl::StatusOr<JobId> id = RequireJobId(request->id());
  if (!id.ok()) return WatchReactor::Refuse(id.status());
  if (request->after_sequence() < 0) {
    return WatchReactor::Refuse(InvalidRequest(
        "after_sequence", absl::StrCat("must not be negative, is ", request->after_sequence())));
  }
  return WatchReactor::Start(store_, bus_, watches_, *id, request->after_sequence(),
                             request->progress());
}

grpc::ServerUnaryReactor* JobService::UpdateJob(grpc::CallbackServerContext* context,
                                                const v1::UpdateJobRequest* request,
                                                v1::Job* response) {
  return Reply(context, response, Update(*request));
}

grpc::ServerUnaryReactor* JobService::CancelJob(grpc::CallbackServerContext* context,
                                                const v1::CancelJobRequest* request,
                                                v1::Job* response) {
  return Reply(context, response, Cancel(*request));
}

grpc::ServerUnaryReactor* JobService::PauseJob(grpc::CallbackServerContext* context,
                                               const v1::PauseJobRequest* request,
                                               v1::Job* response) {
  return Reply(context, response, Pause(*request));
}

grpc::ServerUnaryReactor* JobService::ResumeJob(grpc::CallbackServerContext* context,
                                                const v1::ResumeJobRequest* request,
                                                v1::Job* response) {
  return Reply(context, response, Resume(*request));
}

grpc::ServerUnaryReactor* JobService::DeleteJob(grpc::CallbackServerContext* context,
                                                const v1::DeleteJobRequest* request,
                                                google::protobuf::Empty* response) {
  return Reply(context, response, Delete(*request));
}

grpc::ServerUnaryReactor* JobService::ListEpochMetrics(grpc::CallbackServerContext* context,
                                                       const v1::ListEpochMetricsRequest* request,
                                                       v1::ListEpochMetricsResponse* response) {
  return Reply(context, response, ListEpochs(*request));
}

}  // namespace anneal
