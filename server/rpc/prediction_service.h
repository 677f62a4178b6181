// anneal.v1.PredictionService: asking what prediction jobs have stored.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anneal/v1/prediction_service.grpc.pb.h"
#include "server/core/job.h"
#include "server/core/prediction.h"
#include "storage/store.h"

namespace anneal {

inline constexpr int64_t kDefaultPredictionsPage = 50;
inline constexpr int64_t kMaxPredictionsPage = 10'000;
inline constexpr int64_t kMaxCalibrationBins = 1000;

// Thread-safe. A handler runs on a thread of gRPC and blocks while it reads. `store` must outlive
// the server that it is registered with.
class PredictionService final : public v1::PredictionService::CallbackService {
 public:
  explicit PredictionService(Store& store) : store_(store) {}

  grpc::ServerUnaryReactor* ListPredictions(grpc::CallbackServerContext* context,
                                            const v1::ListPredictionsRequest* request,
                                            v1::ListPredictionsResponse* response) override;
  grpc::ServerUnaryReactor* GetUncertainty(grpc::CallbackServerContext* context,
                                           const v1::GetUncertaintyRequest* request,
                                           v1::Uncertainty* response) override;

 private:
  absl::StatusOr<v1::ListPredictionsResponse> List(const v1::ListPredictionsRequest& request);
  absl::StatusOr<v1::Uncertainty> Summarize(const v1::GetUncertaintyRequest& request);

  // The predictions that are meant by a job's id: its own, or of a training its newest prediction's
  // that has stored an image.
  absl::StatusOr<PredictionSet> Find(const std::string& job_id);
  absl::StatusOr<PredictionSet> FindNewestOf(JobId model_job_id);

  Store& store_;
};

}  // namespace anneal
