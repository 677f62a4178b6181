// A daemon that answers by script, on a unix socket, and can be killed and started again.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "anneal/v1/dataset_service.grpc.pb.h"
#include "anneal/v1/job_service.grpc.pb.h"
#include "anneal/v1/prediction_service.grpc.pb.h"
#include "anneal/v1/server_service.grpc.pb.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health_service.grpc.pb.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"
#include "server/core/mutex.h"
#include "tests/support/temp_folder.h"

namespace anneal::client {

// Each call goes to the function of its name; a call without one is UNIMPLEMENTED. Set them before
// the call; they run on gRPC's threads. Every request is recorded.
class FakeServer {
 public:
  using WatchWriter = grpc::ServerWriter<v1::WatchJobResponse>;

  FakeServer()
      : jobs_(*this), predictions_(*this), datasets_(*this), info_(*this), health_(*this) {}
  ~FakeServer() { Kill(); }

  std::string address() const { return "unix:" + folder_.Join("socket"); }

  void Start() {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address(), grpc::InsecureServerCredentials());
    builder.RegisterService(&jobs_);
    builder.RegisterService(&predictions_);
    builder.RegisterService(&datasets_);
    builder.RegisterService(&info_);
    builder.RegisterService(&health_);
    server_ = builder.BuildAndStart();
  }

  // Ends every call and the connections at once.
  void Kill() {
    if (server_ == nullptr) return;
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }

  template <typename Request, typename Response>
  using Handler = std::function<grpc::Status(const Request&, Response*)>;

  Handler<v1::CreateJobRequest, v1::CreateJobResponse> create_job;
  Handler<v1::GetJobRequest, v1::Job> get_job;
  Handler<v1::ListJobsRequest, v1::ListJobsResponse> list_jobs;
  Handler<v1::UpdateJobRequest, v1::Job> update_job;
  Handler<v1::CancelJobRequest, v1::Job> cancel_job;
  Handler<v1::PauseJobRequest, v1::Job> pause_job;
  Handler<v1::ResumeJobRequest, v1::Job> resume_job;
  Handler<v1::DeleteJobRequest, google::protobuf::Empty> delete_job;
  Handler<v1::ListEpochMetricsRequest, v1::ListEpochMetricsResponse> list_epoch_metrics;
  Handler<v1::ListPredictionsRequest, v1::ListPredictionsResponse> list_predictions;
  Handler<v1::GetUncertaintyRequest, v1::Uncertainty> get_uncertainty;
  Handler<v1::ListDatasetsRequest, v1::ListDatasetsResponse> list_datasets;
  Handler<v1::GetServerInfoRequest, v1::ServerInfo> get_server_info;
  Handler<grpc::health::v1::HealthCheckRequest, grpc::health::v1::HealthCheckResponse> check;
  std::function<grpc::Status(const v1::WatchJobRequest&, WatchWriter&, grpc::ServerContext&)>
      watch_job;

  std::vector<v1::CreateJobRequest> created() const {
    MutexLock lock(mutex_);
    return created_;
  }
  std::vector<v1::WatchJobRequest> watched() const {
    MutexLock lock(mutex_);
    return watched_;
  }

 private:
  template <typename Request, typename Response>
  static grpc::Status Answer(const Handler<Request, Response>& handler, const Request& request,
                             Response* response) {
    if (!handler) return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "not in the script");
    return handler(request, response);
  }

  struct Jobs final : v1::JobService::Service {
    explicit Jobs(FakeServer& owner) : fake(owner) {}
    grpc::Status CreateJob(grpc::ServerContext*, const v1::CreateJobRequest* request,
                           v1::CreateJobResponse* response) override {
      {
        MutexLock lock(fake.mutex_);
        fake.created_.push_back(*request);
      }
      return Answer(fake.create_job, *request, response);
    }
    grpc::Status GetJob(grpc::ServerContext*, const v1::GetJobRequest* request,
                        v1::Job* response) override {
      return Answer(fake.get_job, *request, response);
    }
    grpc::Status ListJobs(grpc::ServerContext*, const v1::ListJobsRequest* request,
                          v1::ListJobsResponse* response) override {
      return Answer(fake.list_jobs, *request, response);
    }
    grpc::Status WatchJob(grpc::ServerContext* context, const v1::WatchJobRequest* request,
                          WatchWriter* writer) override {
      {
        MutexLock lock(fake.mutex_);
        fake.watched_.push_back(*request);
      }
      if (!fake.watch_job)
        return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "not in the script");
      return fake.watch_job(*request, *writer, *context);
    }
    grpc::Status UpdateJob(grpc::ServerContext*, const v1::UpdateJobRequest* request,
                           v1::Job* response) override {
      return Answer(fake.update_job, *request, response);
    }
    grpc::Status CancelJob(grpc::ServerContext*, const v1::CancelJobRequest* request,
                           v1::Job* response) override {
      return Answer(fake.cancel_job, *request, response);
    }
    grpc::Status PauseJob(grpc::ServerContext*, const v1::PauseJobRequest* request,
                          v1::Job* response) override {
      return Answer(fake.pause_job, *request, response);
    }
    grpc::Status ResumeJob(grpc::ServerContext*, const v1::ResumeJobRequest* request,
                           v1::Job* response) override {
      return Answer(fake.resume_job, *request, response);
    }
    grpc::Status DeleteJob(grpc::ServerContext*, const v1::DeleteJobRequest* request,
                           google::protobuf::Empty* response) override {
      return Answer(fake.delete_job, *request, response);
    }
    grpc::Status ListEpochMetrics(grpc::ServerContext*, const v1::ListEpochMetricsRequest* request,
                                  v1::ListEpochMetricsResponse* response) override {
      return Answer(fake.list_epoch_metrics, *request, response);
    }
    FakeServer& fake;
  };
  struct Predictions final : v1::PredictionService::Service {
    explicit Predictions(FakeServer& owner) : fake(owner) {}
    grpc::Status ListPredictions(grpc::ServerContext*, const v1::ListPredictionsRequest* request,
                                 v1::ListPredictionsResponse* response) override {
      return Answer(fake.list_predictions, *request, response);
    }
    grpc::Status GetUncertainty(grpc::ServerContext*, const v1::GetUncertaintyRequest* request,
                                v1::Uncertainty* response) override {
      return Answer(fake.get_uncertainty, *request, response);
    }
    FakeServer& fake;
  };
  struct Datasets final : v1::DatasetService::Service {
    explicit Datasets(FakeServer& owner) : fake(owner) {}
    grpc::Status ListDatasets(grpc::ServerContext*, const v1::ListDatasetsRequest* request,
                              v1::ListDatasetsResponse* response) override {
      return Answer(fake.list_datasets, *request, response);
    }
    FakeServer& fake;
  };
  struct Info final : v1::ServerService::Service {
    explicit Info(FakeServer& owner) : fake(owner) {}
    grpc::Status GetServerInfo(grpc::ServerContext*, const v1::GetServerInfoRequest* request,
                               v1::ServerInfo* response) override {
      return Answer(fake.get_server_info, *request, response);
    }
    FakeServer& fake;
  };
  struct Health final : grpc::health::v1::Health::Service {
    explicit Health(FakeServer& owner) : fake(owner) {}
    grpc::Status Check(grpc::ServerContext*, const grpc::health::v1::HealthCheckRequest* request,
                       grpc::health::v1::HealthCheckResponse* response) override {
      return Answer(fake.check, *request, response);
    }
    FakeServer& fake;
  };

  const TempFolder folder_;
  Jobs jobs_;
  Predictions predictions_;
  Datasets datasets_;
  Info info_;
  Health health_;
  std::unique_ptr<grpc::Server> server_;
  mutable Mutex mutex_;
  std::vector<v1::CreateJobRequest> created_ ANNEAL_GUARDED_BY(mutex_);
  std::vector<v1::WatchJobRequest> watched_ ANNEAL_GUARDED_BY(mutex_);
};

// INVALID_ARGUMENT as the daemon sends it: each violation a field and a description.
inline grpc::Status InvalidWith(
    const std::string& message,
    const std::vector<std::pair<std::string, std::string>>& violations) {
  google::rpc::BadRequest bad_request;
  for (const auto& [field, description] : violations) {
    auto* violation = bad_request.add_field_violations();
    violation->set_field(field);
    violation->set_description(description);
  }
  google::rpc::Status details;
  details.set_code(grpc::StatusCode::INVALID_ARGUMENT);
  details.set_message(message);
  details.add_details()->PackFrom(bad_request);
  return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, message, details.SerializeAsString());
}

inline v1::WatchJobResponse StateEvent(
    int64_t sequence, v1::Job::State state,
    v1::Job::StopReason reason = v1::Job::STOP_REASON_UNSPECIFIED, const std::string& message = "",
    int64_t attempt = 1) {
  v1::WatchJobResponse response;
  response.mutable_event()->set_sequence(sequence);
  auto* change = response.mutable_event()->mutable_state_change();
  change->set_state(state);
  change->set_stop_reason(reason);
  change->set_message(message);
  change->set_attempt(attempt);
  return response;
}

inline v1::WatchJobResponse EpochEvent(int64_t sequence, int64_t epoch, double loss) {
  v1::WatchJobResponse response;
  response.mutable_event()->set_sequence(sequence);
  auto* record = response.mutable_event()->mutable_epoch();
  record->set_epoch(epoch);
  record->set_attempt(1);
  record->set_duration_us(14'200'000);
  auto* metric = record->add_metrics();
  metric->set_name("loss");
  metric->set_value(loss);
  return response;
}

}  // namespace anneal::client
