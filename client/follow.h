// Following a job to its end, whatever happens to the daemon meanwhile.
//
// WatchJob replays stored events after a sequence number and goes on live. So a lost stream is
// simply opened again with the number of the last event that was seen: the store is the replay
// buffer, nothing is missed, and events that arrive twice all the same are recognized by their
// number and dropped.
#pragma once

#include <chrono>
#include <string>

#include "anneal/v1/job.pb.h"
#include "anneal/v1/job_service.pb.h"
#include "client/session.h"
#include "grpcpp/support/status.h"

namespace anneal::client {

inline constexpr std::chrono::milliseconds kFirstBackoff{200};  // doubles up to
inline constexpr std::chrono::milliseconds kLastBackoff{5'000};
inline constexpr std::chrono::minutes kGiveUpAfter{10};  // without a sign of life

// What is shown of a job that is followed. Called by the thread that called Follow.
class FollowSink {
 public:
  virtual ~FollowSink() = default;
  // Each event once, in order.
  virtual void OnEvent(const v1::JobEvent& event) = 0;
  virtual void OnProgress(const v1::Progress& progress) = 0;
  // The daemon is gone (once each time), with the cause; it is looked for again.
  virtual void OnLost(const grpc::Status& status) = 0;
  // It is back.
  virtual void OnBack() = 0;
};

struct FollowResult {
  bool interrupted = false;           // by Ctrl-C, or as the output cannot be written; the job goes on
  grpc::Status status{};              // not OK: following failed
  v1::JobEvent::StateChange final{};  // otherwise: the terminal state
};

// Blocks until the job `id` has ended, Ctrl-C, an error that trying again does not cure, or
// kGiveUpAfter. Where `reached_before` is false, the first connection must succeed. `progress` asks
// for Progress messages.
FollowResult Follow(Session& session, const std::string& id, bool progress, bool reached_before,
                    FollowSink& sink);

}  // namespace anneal::client
