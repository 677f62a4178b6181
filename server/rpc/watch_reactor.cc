#include "server/rpc/watch_reactor.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/rpc/convert.h"
#include "server/rpc/status.h"
#include "server/rpc/watch_set.h"

namespace anneal {
namespace {

constexpr int64_t kPageEvents = 256;
constexpr size_t kMaxPendingEvents =
    256;  // published but not sent; a page read from the store comes on top

// Nobody will see it.
grpc::Status ClientWentAway() {
  return grpc::Status(grpc::StatusCode::CANCELLED, "the client went away");
}

class RefusedWatch final : public grpc::ServerWriteReactor<v1::WatchJobResponse> {
 public:
  explicit RefusedWatch(const absl::Status& status) { Finish(ToGrpcStatus(status)); }
  void OnDone() override { delete this; }
};

}  // namespace

grpc::ServerWriteReactor<v1::WatchJobResponse>* WatchReactor::Refuse(const absl::Status& status) {
  return new RefusedWatch(status);
}

WatchReactor* WatchReactor::Start(Store& store, EventBus& bus, WatchSet& watches, JobId job,
                                  int64_t after_sequence, bool progress) {
  auto* watch = new WatchReactor(store, watches, job, after_sequence);
  if (!watches.Add(watch)) {
    watch->End(
        ToGrpcStatus(WithReason(absl::UnavailableError("the daemon is stopping"), "STOPPING")));
  }
  EventBus::Watcher watcher;
  watcher.on_event = [watch](const std::shared_ptr<const JobEvent>& event) {
    watch->OnEvent(event);
  };
  if (progress) {
    watcher.on_progress = [watch](const std::shared_ptr<const ProgressSnapshot>& snapshot) {
      watch->OnProgress(snapshot);
    };
  }
  watch->subscription_ = bus.Subscribe(job, std::move(watcher));
  watch->GiveTurn();
  watch->Advance();
  return watch;
}

WatchReactor::WatchReactor(Store& store, WatchSet& watches, JobId job, int64_t after_sequence)
    : store_(store),
      watches_(watches),
      job_(job),
      after_sequence_(after_sequence),
      last_queued_(after_sequence) {}

void WatchReactor::End(grpc::Status status) {
  {
    MutexLock lock(mutex_);
    if (!end_.has_value()) end_ = std::move(status);
  }
  Advance();
}

void WatchReactor::OnCancel() { End(ClientWentAway()); }

void WatchReactor::OnWriteDone(bool ok) {
  {
    MutexLock lock(mutex_);
    busy_ = false;
    if (!ok && !end_.has_value()) end_ = ClientWentAway();
  }
  Advance();
}

void WatchReactor::OnDone() {
  watches_.Remove(this);
  subscription_.reset();  // waits for a call from the bus under way
  delete this;
}

void WatchReactor::OnEvent(const std::shared_ptr<const JobEvent>& event) {
  {
    MutexLock lock(mutex_);
    progress_.reset();  // older than the event
    published_ = std::max(published_, event->sequence);
    if (event->sequence <= after_sequence_) {
      // The caller says that it has seen this one. Where it was the last there is nothing to wait
      // for.
      if (IsLast(*event) && !end_.has_value()) end_ = grpc::Status::OK;
    } else if (behind_ || event->sequence <= last_queued_) {
      return;  // will be, or was, read from the store
    } else if (event->sequence != last_queued_ + 1 || pending_.size() >= kMaxPendingEvents) {
      behind_ = true;
    } else {
      pending_.push_back(event);
      last_queued_ = event->sequence;
    }
  }
  // Nearly always starts a write, or finds one under way. Only after a gap in what was published
  // (an event whose commit looked like a failure and was found stored on the second try) does this
  // thread read a page itself.
  Advance();
}

void WatchReactor::OnProgress(const std::shared_ptr<const ProgressSnapshot>& snapshot) {
  {
    MutexLock lock(mutex_);
    if (behind_) return;  // older events are still to come
    progress_ = snapshot;
  }
  Advance();
}

void WatchReactor::GiveTurn() {
  MutexLock lock(mutex_);
  busy_ = false;
}

void WatchReactor::Advance() {
  for (;;) {
    Step step = Step::kNothing;
    std::shared_ptr<const JobEvent> event;
    std::shared_ptr<const ProgressSnapshot> progress;
    grpc::Status end;
    {
      MutexLock lock(mutex_);
      if (busy_) return;
      step = NextStep(event, progress);
      busy_ = step != Step::kNothing;
      if (step == Step::kFinish) end = *end_;
    }
    switch (step) {
      case Step::kNothing:
        return;
      case Step::kRead:
        ReadPage();
        GiveTurn();
        break;
      case Step::kWrite:
        if (event != nullptr) {
          *response_.mutable_event() = ToProto(*event);
        } else {
          *response_.mutable_progress() = ToProto(*progress);
        }
        StartWrite(&response_);  // OnWriteDone gives the turn on
        return;
      case Step::kFinish:
        Finish(std::move(end));  // from here on `this` may be gone
        return;
    }
  }
}

WatchReactor::Step WatchReactor::NextStep(std::shared_ptr<const JobEvent>& event,
                                          std::shared_ptr<const ProgressSnapshot>& progress) {
  if (end_.has_value()) return Step::kFinish;
  if (sent_last_) {
    end_ = grpc::Status::OK;
    return Step::kFinish;
  }
  if (!pending_.empty()) {
    event = std::move(pending_.front());
    pending_.pop_front();
    sent_last_ = IsLast(*event);
    return Step::kWrite;
  }
  if (behind_) return Step::kRead;
  if (progress_ != nullptr) {
    progress = std::move(progress_);
    return Step::kWrite;
  }
  return Step::kNothing;
}

void WatchReactor::ReadPage() {
  int64_t after = 0;
  int64_t published_before = 0;
  {
    MutexLock lock(mutex_);
    after = last_queued_;
    published_before = published_;
  }
  absl::StatusOr<std::vector<JobEvent>> page = store_.ListEvents(job_, after, kPageEvents);
  absl::Status end;
  bool ended = had_ended_;
  if (!page.ok()) {
    end = page.status();
    if (absl::IsNotFound(end)) {
      end = WithReason(absl::NotFoundError(absl::StrCat("no job '", job_, "'")), "JOB_NOT_FOUND");
    }
  } else if (page->empty() && !had_ended_) {
    // Nothing new, and perhaps there never will be: the caller may have seen the last event
    // already. If the job has ended, one more look at the events (which must now be complete)
    // decides.
    const absl::StatusOr<Job> job = store_.GetJob(job_);
    if (job.ok() && IsTerminal(job->state)) had_ended_ = true;
  }

  MutexLock lock(mutex_);
  if (!end.ok()) {
    if (!end_.has_value()) end_ = ToGrpcStatus(end);
    return;
  }
  for (JobEvent& event : *page) {
    last_queued_ = event.sequence;
    pending_.push_back(std::make_shared<const JobEvent>(std::move(event)));
  }
  if (page->empty()) {
    if (ended) {
      if (!end_.has_value()) end_ = grpc::Status::OK;
      return;
    }
    if (published_before > last_queued_ && !end_.has_value()) {
      // Published before it was stored, which the store's callers promise never to do: better an
      // end than a busy loop.
      end_ = ToGrpcStatus(absl::InternalError(absl::StrCat(
          "event ", published_before, " of job ", job_, " was published but is not stored")));
      return;
    }
  }
  behind_ =
      had_ended_ || page->size() >= static_cast<size_t>(kPageEvents) || published_ > last_queued_;
}

}  // namespace anneal
