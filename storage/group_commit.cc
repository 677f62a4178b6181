#include "storage/group_commit.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "server/core/failpoint.h"
#include "server/core/status_macros.h"

namespace anneal {

GroupCommit::GroupCommit(std::unique_ptr<Connection> connection, size_t max_group)
    : connection_(std::move(connection)),
      max_group_(std::max<size_t>(max_group, 1)),
      thread_([this] { Loop(); }) {
  pthread_setname_np(thread_.native_handle(), "store-writer");
}

GroupCommit::~GroupCommit() {
  {
    MutexLock lock(mutex_);
    stopping_ = true;
    work_.NotifyOne();
  }
  thread_.join();
}

absl::Status GroupCommit::Run(const Mutation& mutation) {
  Pending pending;
  pending.mutation = &mutation;
  MutexLock lock(mutex_);
  queue_.push_back(&pending);
  work_.NotifyOne();
  while (!pending.done) pending.answered.Wait(mutex_);
  return pending.status;
}

GroupCommit::Counters GroupCommit::GetCounters() const {
  MutexLock lock(mutex_);
  Counters counters = counters_;
  counters.waiting = static_cast<int64_t>(queue_.size());
  return counters;
}

void GroupCommit::Loop() {
  while (true) {
    Group group;
    {
      MutexLock lock(mutex_);
      while (queue_.empty() && !stopping_) work_.Wait(mutex_);
      if (queue_.empty()) return;
      const size_t size = std::min(queue_.size(), max_group_);
      group.assign(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(size));
      queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(size));
    }
    Commit(group);
    PassCrashpoint("commit.answer");
    Answer(group);
  }
}

void GroupCommit::Answer(const Group& group) {
  MutexLock lock(mutex_);
  counters_.commits += std::exchange(commits_, 0);
  for (Pending* pending : group) {
    if (pending->status.ok()) ++counters_.mutations;
    pending->done = true;
    // Under the lock: the waiter, woken, may end and take `pending` with it.
    pending->answered.NotifyOne();
  }
}

void GroupCommit::Commit(const Group& group) {
  if (TryCommit(group)) return;
  for (Pending* pending : group) {
    // Alone, a mutation that loses the transaction has lost nobody else's work.
    TryCommit({pending});
  }
}

bool GroupCommit::TryCommit(const Group& group) {
  absl::Status shared = Execute("BEGIN IMMEDIATE");
  if (shared.ok()) shared = connection_->CheckInPlace();
  bool kept = true;
  if (shared.ok()) {
    bool changed = false;
    for (Pending* pending : group) {
      pending->status = RunInSavepoint(*pending->mutation);
      changed |= pending->status.ok();
      kept = connection_->InTransaction();
      if (!kept) break;
    }
    if (kept && changed) {
      shared = PassFailpoint("commit.before");
      if (shared.ok()) shared = Execute("COMMIT");
      if (shared.ok()) ++commits_;
      if (shared.ok()) shared = PassFailpoint("commit.done");
    }
  }
  connection_->Rollback();
  if (!shared.ok()) {
    // Also those that had failed by themselves: they may have failed over what is now undone.
    for (Pending* pending : group) pending->status = shared;
  }
  return kept;
}

absl::Status GroupCommit::RunInSavepoint(const Mutation& mutation) {
  absl::Status status = Execute("SAVEPOINT mutation");
  if (!status.ok()) return status;
  status = connection_->Guard([&]() -> absl::Status {
    RETURN_IF_ERROR(PassFailpoint("mutation.before"));
    RETURN_IF_ERROR(mutation(*connection_));
    return PassFailpoint("mutation.done");
  });
  if (status.ok()) return Execute("RELEASE mutation");
  if (!connection_->InTransaction()) return status;
  absl::Status undone = Execute("ROLLBACK TO mutation");
  if (undone.ok()) undone = Execute("RELEASE mutation");
  // What cannot be undone alone is undone with the group.
  if (!undone.ok()) connection_->Rollback();
  return status;
}

absl::Status GroupCommit::Execute(const char* sql) {
  return connection_->Guard([&] {
    Query(*connection_, sql).Run();
    return absl::OkStatus();
  });
}

}  // namespace anneal
