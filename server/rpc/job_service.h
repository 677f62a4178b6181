// anneal.v1.JobService: the queue, spoken over gRPC. Every handler validates, calls, converts.
#pragma once

#include <google/protobuf/empty.pb.h>

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anneal/v1/job_service.grpc.pb.h"
#include "server/core/dataset_info.h"
#include "server/core/job.h"
#include "server/engine/engine.h"
#include "server/rpc/job_view.h"
#include "server/rpc/watch_set.h"
#include "server/scheduler/event_bus.h"
#include "server/scheduler/scheduler.h"
#include "server/spec/validated_spec.h"
#include "storage/store.h"

namespace anneal {

inline constexpr int64_t kMaxSpecBytes = 16 << 20;
inline constexpr int64_t kMaxMetricsJobs = 1000;  // ids in one ListEpochMetrics
inline constexpr int64_t kMaxMetricNames = 100;   // names in one ListEpochMetrics

// Thread-safe. The callback API: a handler runs on a thread of gRPC and may block for a commit of
// the store; a watcher holds no thread. What it is given must outlive the server that it is
// registered with.
class JobService final : public v1::JobService::CallbackService {
 public:
  JobService(Store& store, Scheduler& scheduler, EventBus& bus, const Engine& engine,
             const DatasetCatalog& catalog);

  // Ends all watch calls with UNAVAILABLE, so that clients connect again; later ones are refused.
  // Does not wait.
  void StopWatching();

  const WatchSet& watches() const { return watches_; }

  grpc::ServerUnaryReactor* CreateJob(grpc::CallbackServerContext* context,
                                      const v1::CreateJobRequest* request,
                                      v1::CreateJobResponse* response) override;
  grpc::ServerUnaryReactor* GetJob(grpc::CallbackServerContext* context,
                                   const v1::GetJobRequest* request, v1::Job* response) override;
  grpc::ServerUnaryReactor* ListJobs(grpc::CallbackServerContext* context,
                                     const v1::ListJobsRequest* request,
                                     v1::ListJobsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchJobResponse>* WatchJob(
      grpc::CallbackServerContext* context, const v1::WatchJobRequest* request) override;
  grpc::ServerUnaryReactor* UpdateJob(grpc::CallbackServerContext* context,
                                      const v1::UpdateJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerUnaryReactor* CancelJob(grpc::CallbackServerContext* context,
                                      const v1::CancelJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerUnaryReactor* PauseJob(grpc::CallbackServerContext* context,
                                     const v1::PauseJobRequest* request,
                                     v1::Job* response) override;
  grpc::ServerUnaryReactor* ResumeJob(grpc::CallbackServerContext* context,
                                      const v1::ResumeJobRequest* request,
                                      v1::Job* response) override;
  grpc::ServerUnaryReactor* DeleteJob(grpc::CallbackServerContext* context,
                                      const v1::DeleteJobRequest* request,
                                      google::protobuf::Empty* response) override;
  grpc::ServerUnaryReactor* ListEpochMetrics(grpc::CallbackServerContext* context,
                                             const v1::ListEpochMetricsRequest* request,
                                             v1::ListEpochMetricsResponse* response) override;

 private:
  absl::StatusOr<v1::CreateJobResponse> Create(const v1::CreateJobRequest& request);
  absl::StatusOr<v1::Job> Get(const v1::GetJobRequest& request);
  absl::StatusOr<v1::ListJobsResponse> List(const v1::ListJobsRequest& request);
  absl::StatusOr<v1::Job> Update(const v1::UpdateJobRequest& request);
  absl::StatusOr<v1::Job> Cancel(const v1::CancelJobRequest& request);
  absl::StatusOr<v1::Job> Pause(const v1::PauseJobRequest& request);
  absl::StatusOr<v1::Job> Resume(const v1::ResumeJobRequest& request);
  absl::StatusOr<google::protobuf::Empty> Delete(const v1::DeleteJobRequest& request);
  absl::StatusOr<v1::ListEpochMetricsResponse> ListEpochs(
      const v1::ListEpochMetricsRequest& request);

  // FAILED_PRECONDITION.
  absl::Status CheckDevice(const std::string& device) const;

  absl::Status CannotChange(JobId id, const std::string& requested, const absl::Status& status,
                            std::string_view precondition);

  Store& store_;
  Scheduler& scheduler_;
  EventBus& bus_;
  const Engine& engine_;
  const DatasetCatalog& catalog_;
  const JobView view_;
  WatchSet watches_;
};

}  // namespace anneal
