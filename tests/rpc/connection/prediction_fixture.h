// PredictionService on a store in memory.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "anneal/v1/prediction_service.grpc.pb.h"
#include "tests/rpc/connection/rpc_harness.h"
#include "tests/support/stored_predictions.h"

namespace anneal {

class PredictionServiceTest : public FakeStoreRpcTest {
 protected:
  PredictionServiceTest()
      : stub_(v1::PredictionService::NewStub(rpc_.channel())),
        training_(CreateStoredJob(store_, JobKind::kTraining)) {}

  // All of them stored.
  JobId Predict(PredictionSet set) {
    BeginStoredPrediction(store_, training_, set);
    StoreAll(store_, set);
    return set.job_id;
  }

  grpc::Status List(const v1::ListPredictionsRequest& request,
                    v1::ListPredictionsResponse* response) {
    return RpcHarness::Call(*stub_, &v1::PredictionService::Stub::ListPredictions, request,
                            response);
  }

  grpc::Status Get(const v1::GetUncertaintyRequest& request, v1::Uncertainty* response) {
    return RpcHarness::Call(*stub_, &v1::PredictionService::Stub::GetUncertainty, request,
                            response);
  }

  static v1::ListPredictionsRequest Request(JobId id) {
    v1::ListPredictionsRequest request;
    request.set_job_id(absl::StrCat(id));
    return request;
  }

  static std::vector<int64_t> Images(const v1::ListPredictionsResponse& response) {
    std::vector<int64_t> images;
    for (const v1::Prediction& row : response.predictions()) images.push_back(row.image());
    return images;
  }

  // The images of all pages.
  std::vector<int64_t> AllPages(v1::ListPredictionsRequest request, int* pages = nullptr) {
    std::vector<int64_t> images;
    v1::ListPredictionsResponse response;
    do {
      request.set_page_token(response.next_page_token());
      const grpc::Status status = List(request, &response);
      EXPECT_TRUE(status.ok()) << status.error_message();
      if (!status.ok()) break;
      const std::vector<int64_t> page = Images(response);
      EXPECT_FALSE(page.empty() && !response.next_page_token().empty());
      images.insert(images.end(), page.begin(), page.end());
      if (pages != nullptr) ++*pages;
    } while (!response.next_page_token().empty());
    return images;
  }

  std::unique_ptr<v1::PredictionService::Stub> stub_;
  JobId training_;
};

}  // namespace anneal
