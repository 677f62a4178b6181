#include "server/shutdown.h"

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>

#include <spdlog/spdlog.h>

namespace anneal {
namespace {

// A handler may touch nothing else: lock-free, and set before it is installed.
std::atomic<int> first_signal = 0;
int wake_fd = -1;
static_assert(std::atomic<int>::is_always_lock_free);

void OnSignal(int number) {
  const int saved_errno = errno;
  int none = 0;
  if (!first_signal.compare_exchange_strong(none, number)) {
    constexpr char kText[] =
        "anneald: second signal: ending at once; running jobs go back to the queue at the next "
        "start\n";
    [[maybe_unused]] const ssize_t ignored = write(STDERR_FILENO, kText, sizeof(kText) - 1);
    _exit(1);
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = write(wake_fd, &one, sizeof(one));
  errno = saved_errno;
}

}  // namespace

void PrepareSignals() {
  wake_fd = eventfd(0, EFD_CLOEXEC);
  struct sigaction action = {};
  action.sa_handler = &OnSignal;
  action.sa_flags = SA_RESTART;  // no system call of any thread is to fail of it
  sigemptyset(&action.sa_mask);
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
}

int WaitForShutdownSignal() {
  uint64_t count = 0;
  while (first_signal.load() == 0 && read(wake_fd, &count, sizeof(count)) < 0 && errno == EINTR) {
  }
  return first_signal.load();
}

ShutdownGuard::ShutdownGuard(int limit_seconds)
    : limit_seconds_(limit_seconds), thread_([this] { Watch(); }) {}

ShutdownGuard::~ShutdownGuard() {
  {
    const MutexLock lock(mutex_);
    done_ = true;
  }
  changed_.NotifyAll();
  thread_.join();
}

void ShutdownGuard::Watch() {
  pthread_setname_np(pthread_self(), "shutdown");
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(limit_seconds_);
  {
    const MutexLock lock(mutex_);
    while (!done_) {
      const auto left = limit - std::chrono::steady_clock::now();
      if (left <= std::chrono::steady_clock::duration::zero()) break;
      changed_.WaitFor(mutex_, std::chrono::duration_cast<std::chrono::microseconds>(left) +
                                   std::chrono::microseconds(1));
    }
    if (done_) return;
  }
  spdlog::warn(
      "the stop takes longer than {} s: ending now; running jobs go back to the queue at the next "
      "start",
      limit_seconds_);
  _exit(0);
}

}  // namespace anneal
