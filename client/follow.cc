#include "client/follow.h"

#include <algorithm>
#include <atomic>
#include <memory>

#include "anneal/v1/job_service.grpc.pb.h"
#include "client/job_text.h"
#include "grpcpp/client_context.h"
#include "server/core/mutex.h"

namespace anneal::client {
namespace {

// A stream that lasted so long was a working connection, even if the job had nothing to say.
constexpr int64_t kHealthyStreamUs = 5'000'000;

// Between Ctrl-C, on its thread, and the call that must end.
class CancelSwitch {
 public:
  // `context` is cancelled when the switch is thrown, or now where it has been; until Detach.
  void Attach(grpc::ClientContext& context) {
    MutexLock lock(mutex_);
    context_ = &context;
    if (thrown_) context.TryCancel();
  }
  void Detach() {
    MutexLock lock(mutex_);
    context_ = nullptr;
  }
  void Throw() {
    MutexLock lock(mutex_);
    thrown_ = true;
    if (context_ != nullptr) context_->TryCancel();
  }
  const std::atomic<bool>& thrown() const { return thrown_; }

 private:
  Mutex mutex_;
  grpc::ClientContext* context_ ANNEAL_GUARDED_BY(mutex_) = nullptr;
  std::atomic<bool> thrown_{false};
};

class Follower {
 public:
  Follower(Session& session, const std::string& id, bool progress, FollowSink& sink,
           CancelSwitch& cancel)
      : session_(session), progress_(progress), sink_(sink), cancel_(cancel) {
    request_.set_id(id);
    request_.set_progress(progress);
  }

  FollowResult Run(bool reached_before) {
    bool reached = reached_before;
    bool lost = false;
    auto backoff = kFirstBackoff;
    int64_t last_sign_us = NowUs();
    while (true) {
      grpc::Status status =
          session_.channel() == nullptr || lost ? session_.Connect() : grpc::Status::OK;
      if (status.ok()) {
        reached = true;
        if (lost) sink_.OnBack();
        lost = false;
        const int64_t begin_us = NowUs();
        const bool heard = ReadStream(&status);
        if (ended_) return {.final = final_};
        if (!session_.out()) return {.interrupted = true};
        if (heard || NowUs() - begin_us > kHealthyStreamUs) {
          backoff = kFirstBackoff;
          last_sign_us = NowUs();
        }
      }
      if (cancel_.thrown()) return {.interrupted = true};
      if (!IsTransient(status) || !reached) return {.status = status};
      if (NowUs() - last_sign_us >= std::chrono::microseconds(kGiveUpAfter).count())
        return {.status = status};
      if (!lost) sink_.OnLost(status);
      lost = true;
      session_.environment().sleep(backoff, cancel_.thrown());
      if (cancel_.thrown()) return {.interrupted = true};
      backoff = std::min(backoff * 2, kLastBackoff);
    }
  }

 private:
  int64_t NowUs() const { return session_.environment().clock->MonotonicUs(); }

  // A daemon that ends cancels its calls, or ends the stream before the job has ended.
  static bool IsTransient(const grpc::Status& status) {
    return status.error_code() == grpc::StatusCode::UNAVAILABLE ||
           status.error_code() == grpc::StatusCode::CANCELLED;
  }

  // Whether anything was received.
  bool ReadStream(grpc::Status* status) {
    v1::JobService::Stub stub(session_.channel());
    grpc::ClientContext context;
    cancel_.Attach(context);
    const auto stream = stub.WatchJob(&context, request_);
    v1::WatchJobResponse response;
    bool heard = false;
    while (stream->Read(&response)) {
      heard = true;
      if (response.has_event()) {
        OnEvent(response.event());
      } else if (response.has_progress() && progress_) {
        sink_.OnProgress(response.progress());
      }
      if (!session_.out()) context.TryCancel();  // nobody reads any more
    }
    *status = stream->Finish();
    cancel_.Detach();
    if (status->ok() && !ended_) {
      *status = grpc::Status(grpc::StatusCode::UNAVAILABLE, "the stream ended before the job");
    }
    return heard;
  }

  void OnEvent(const v1::JobEvent& event) {
    if (event.sequence() <= request_.after_sequence()) return;
    request_.set_after_sequence(event.sequence());
    sink_.OnEvent(event);
    if (event.has_state_change() && IsTerminal(event.state_change().state())) {
      ended_ = true;
      final_ = event.state_change();
    }
  }

  Session& session_;
  const bool progress_;
  FollowSink& sink_;
  CancelSwitch& cancel_;
  v1::WatchJobRequest request_;  // after_sequence: of the last event seen
  bool ended_ = false;
  v1::JobEvent::StateChange final_;
};

}  // namespace

FollowResult Follow(Session& session, const std::string& id, bool progress, bool reached_before,
                    FollowSink& sink) {
  CancelSwitch cancel;
  const std::shared_ptr<void> interrupt =
      session.environment().catch_interrupt([&cancel] { cancel.Throw(); });
  return Follower(session, id, progress, sink, cancel).Run(reached_before);
}

}  // namespace anneal::client
