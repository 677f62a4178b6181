#include "tests/fault/model/killer.h"

#include <utility>

#include "absl/status/status.h"
#include "tests/fault/model/shared_clock.h"
#include "tests/fault/model/wait.h"

namespace anneal::model {

Killer::Killer(std::vector<PlannedKill> kills, DaemonProcess& daemon)
    : kills_(std::move(kills)), daemon_(daemon), thread_([this] { Loop(); }) {}

Killer::~Killer() { (void)Join(); }

void Killer::Count(Call call, bool after) {
  const MutexLock lock(mutex_);
  if (next_ >= kills_.size() || due_) return;
  const PlannedKill& kill = kills_[next_];
  if (kill.after != after || (!kill.any && kill.call != call)) return;
  if (++count_ < kill.count) return;
  due_ = true;
  changed_.NotifyAll();
}

void Killer::ClientsEnded() {
  const MutexLock lock(mutex_);
  clients_ended_ = true;
  changed_.NotifyAll();
}

std::vector<std::string> Killer::Join() {
  ClientsEnded();
  if (thread_.joinable()) thread_.join();
  const MutexLock lock(mutex_);
  return problems_;
}

void Killer::Loop() {
  for (const PlannedKill& kill : kills_) {
    {
      const MutexLock lock(mutex_);
      while (!due_ && !clients_ended_) changed_.Wait(mutex_);
      due_ = true;
    }
    SpinUntil(SharedNowUs() + kill.delay_us);
    absl::Status done = daemon_.Kill();
    if (done.ok()) done = daemon_.StartAgain(kill.again_after_us);
    const MutexLock lock(mutex_);
    if (!done.ok()) {
      problems_.push_back(done.ToString());
      daemon_.Fail();
      return;
    }
    ++next_;
    count_ = 0;
    due_ = false;
  }
}

}  // namespace anneal::model
