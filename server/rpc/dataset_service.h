// anneal.v1.DatasetService: what the daemon can train on.
#pragma once

#include "anneal/v1/dataset_service.grpc.pb.h"
#include "server/data/dataset_registry.h"

namespace anneal {

// Thread-safe. `datasets` must outlive the server that it is registered with.
class DatasetService final : public v1::DatasetService::CallbackService {
 public:
  explicit DatasetService(const DatasetRegistry& datasets) : datasets_(datasets) {}

  // One that cannot be read is listed with the reason in `error`, and no shape.
  grpc::ServerUnaryReactor* ListDatasets(grpc::CallbackServerContext* context,
                                         const v1::ListDatasetsRequest* request,
                                         v1::ListDatasetsResponse* response) override;

 private:
  const DatasetRegistry& datasets_;
};

}  // namespace anneal
