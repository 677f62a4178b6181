#include "server/rpc/dataset_service.h"

#include <string>

#include "server/rpc/convert.h"
#include "server/rpc/unary.h"
#include "server/rpc/utf8.h"

namespace anneal {

grpc::ServerUnaryReactor* DatasetService::ListDatasets(grpc::CallbackServerContext* context,
                                                       const v1::ListDatasetsRequest* /*request*/,
                                                       v1::ListDatasetsResponse* response) {
  v1::ListDatasetsResponse list;
  for (const std::string& name : datasets_.Names()) {
    v1::Dataset* dataset = list.add_datasets();
    const absl::StatusOr<DatasetInfo> info = datasets_.Describe(name);
    if (info.ok()) {
      *dataset = ToProto(*info);
    } else {
      dataset->set_name(name);
      const absl::string_view error = info.status().message();
      dataset->set_error(ToUtf8({error.data(), error.size()}));
    }
    dataset->set_loaded(datasets_.IsLoaded(name));
  }
  return Reply<v1::ListDatasetsResponse>(context, response, std::move(list));
}

}  // namespace anneal
