#include "server/shutdown.h"

#include <pthread.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include <spdlog/spdlog.h>

namespace anneal {
namespace {

constexpr int kDone = SIGUSR1;  // to the guard's thread: the stop has ended

sigset_t SignalSet(bool with_done) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  if (with_done) sigaddset(&set, kDone);
  return set;
}

}  // namespace

void PrepareSignals() {
  signal(SIGPIPE, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  const sigset_t set = SignalSet(/*with_done=*/true);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

int WaitForShutdownSignal() {
  const sigset_t set = SignalSet(/*with_done=*/false);
  int number = 0;
  while (sigwait(&set, &number) != 0) {
  }
  return number;
}

ShutdownGuard::ShutdownGuard(int limit_seconds)
    : thread_([limit_seconds] {
        pthread_setname_np(pthread_self(), "shutdown");
        const sigset_t set = SignalSet(/*with_done=*/true);
        timespec limit = {};
        limit.tv_sec = limit_seconds;
        int number = 0;
        do {
          number = sigtimedwait(&set, nullptr, &limit);
        } while (number < 0 && errno == EINTR);
        if (number == kDone) return;
        if (number < 0) {
          spdlog::warn("the stop takes longer than {} s: ending now; running jobs go back to the queue at the next start",
                       limit_seconds);
          spdlog::default_logger()->flush();
          _exit(0);
        }
        spdlog::warn("second signal: ending at once; running jobs go back to the queue at the next start");
        spdlog::default_logger()->flush();
        _exit(1);
      }) {}

ShutdownGuard::~ShutdownGuard() {
  pthread_kill(thread_.native_handle(), kDone);
  thread_.join();
}

}  // namespace anneal
