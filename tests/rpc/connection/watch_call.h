// What the tests of WatchJob share.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/rpc/connection/rpc_harness.h"

namespace anneal {

// One WatchJob call, read by hand.
class Watch {
 public:
  Watch(v1::JobService::Stub& stub, const std::string& id, int64_t after_sequence = 0,
        bool progress = false) {
    RpcHarness::SetDeadline(context_);
    v1::WatchJobRequest request;
    request.set_id(id);
    request.set_after_sequence(after_sequence);
    request.set_progress(progress);
    reader_ = stub.WatchJob(&context_, request);
  }

  // The next answer; nothing at the end.
  std::optional<v1::WatchJobResponse> Next() {
    v1::WatchJobResponse response;
    if (!reader_->Read(&response)) return std::nullopt;
    return response;
  }

  // Reads events up to this sequence number; progress is passed over. The last sequence read.
  int64_t ReadUntil(int64_t sequence) {
    int64_t last = 0;
    while (last < sequence) {
      const auto response = Next();
      if (!response.has_value()) break;
      if (response->has_event()) last = response->event().sequence();
    }
    return last;
  }

  grpc::Status Finish() { return reader_->Finish(); }
  void Cancel() { context_.TryCancel(); }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchJobResponse>> reader_;
};

// Sequences after `after_sequence`, without a gap, the last one terminal, epochs counting from 1.
inline void ExpectWhole(const std::vector<v1::JobEvent>& events, int64_t after_sequence,
                        int64_t last_sequence) {
  int64_t expected = after_sequence;
  int64_t epoch = 0;
  for (const v1::JobEvent& event : events) {
    ASSERT_EQ(event.sequence(), ++expected);
    if (event.kind_case() == v1::JobEvent::kEpoch) {
      if (epoch != 0) {
        ASSERT_EQ(event.epoch().epoch(), epoch + 1);
      }
      epoch = event.epoch().epoch();
    }
  }
  EXPECT_EQ(expected, last_sequence);
  if (!events.empty()) {
    EXPECT_EQ(events.back().state_change().state(), v1::Job::SUCCEEDED);
  }
}

// QUEUED, RUNNING, the epochs, the result, SUCCEEDED.
constexpr int64_t Events(int64_t epochs) { return epochs + 4; }

}  // namespace anneal
