#include "tests/fault/storm/list_page.h"

#include <algorithm>
#include <chrono>
#include <iostream>
#include <vector>

namespace anneal::fault {

int ListPage(JobClient& client, const PageOptions& options) {
  constexpr JobClient::Milliseconds kPatience{60'000};
  // Connects, so that the first call measured is as any other.
  v1::GetJobRequest none;
  none.set_id("1");
  v1::Job job;
  client.UntilAnswered(kPatience, [&](JobClient::Stub& stub, grpc::ClientContext& context) {
    return stub.GetJob(&context, none, &job);
  });
  v1::ListJobsRequest request;
  request.set_page_size(options.size);
  std::vector<int64_t> took_us;
  int jobs = 0;
  for (int i = 0; i < options.calls; ++i) {
    v1::ListJobsResponse page;
    const auto begin = std::chrono::steady_clock::now();
    const grpc::Status status =
        client.UntilAnswered(kPatience, [&](JobClient::Stub& stub, grpc::ClientContext& context) {
          return stub.ListJobs(&context, request, &page);
        });
    const auto end = std::chrono::steady_clock::now();
    if (!status.ok()) {
      std::cerr << status.error_message() << "\n";
      return 4;
    }
    took_us.push_back(std::chrono::duration_cast<std::chrono::microseconds>(end - begin).count());
    jobs = page.jobs_size();
  }
  const int64_t first_us = took_us.front();
  std::sort(took_us.begin(), took_us.end());
  std::cout << jobs << " " << first_us << " " << took_us[took_us.size() / 2] << " "
            << took_us.back() << "\n";
  return 0;
}

}  // namespace anneal::fault
