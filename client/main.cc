// The program `anneal`: the real world for RunCli.
#include <google/protobuf/stubs/logging.h>
#include <pwd.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/cli.h"
#include "client/environment.h"

namespace {

// A signal handler may do little more than write to a descriptor; a thread waits at its other end.
int interrupt_descriptor = -1;

void OnSignal(int) {
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t written = write(interrupt_descriptor, &one, sizeof one);
}

class InterruptCatcher {
 public:
  explicit InterruptCatcher(std::function<void()> on_interrupt)
      : on_interrupt_(std::move(on_interrupt)) {
    interrupt_descriptor = eventfd(0, EFD_CLOEXEC);
    struct sigaction action {};
    action.sa_handler = OnSignal;
    action.sa_flags =
        SA_RESTART | static_cast<int>(SA_RESETHAND);  // the second Ctrl-C ends the process
    sigaction(SIGINT, &action, &previous_);
    thread_ = std::thread([this] {
      uint64_t value = 0;
      if (read(interrupt_descriptor, &value, sizeof value) == sizeof value && !ending_)
        on_interrupt_();
    });
  }
  ~InterruptCatcher() {
    sigaction(SIGINT, &previous_, nullptr);
    ending_ = true;
    OnSignal(0);  // wakes the thread
    thread_.join();
    close(interrupt_descriptor);
    interrupt_descriptor = -1;
  }
  InterruptCatcher(const InterruptCatcher&) = delete;
  InterruptCatcher& operator=(const InterruptCatcher&) = delete;

 private:
  const std::function<void()> on_interrupt_;
  std::atomic<bool> ending_{false};
  struct sigaction previous_ {};
  std::thread thread_;
};

std::optional<std::string> Variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::string UserName() {
  const uid_t user = geteuid();
  const passwd* entry = getpwuid(user);
  return entry == nullptr || entry->pw_name[0] == '\0' ? std::to_string(user) : entry->pw_name;
}

int TerminalColumns() {
  winsize size{};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

void Sleep(std::chrono::milliseconds duration, const std::atomic<bool>& stop) {
  constexpr std::chrono::milliseconds kSlice{50};
  const auto end = std::chrono::steady_clock::now() + duration;
  for (auto now = std::chrono::steady_clock::now(); now < end && !stop;
       now = std::chrono::steady_clock::now()) {
    std::this_thread::sleep_for(std::min<std::chrono::steady_clock::duration>(end - now, kSlice));
  }
}

}  // namespace

int main(int argc, char** argv) {
  google::protobuf::SetLogHandler(nullptr);  // what it would log is reported by those who called it
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  std::ios::sync_with_stdio(false);
  const anneal::SystemClock clock;
  anneal::client::Environment environment;
  environment.in = &std::cin;
  environment.out = &std::cout;
  environment.err = &std::cerr;
  environment.out_is_terminal = isatty(STDOUT_FILENO) != 0;
  environment.columns = TerminalColumns;
  environment.clock = &clock;
  environment.variable = Variable;
  environment.user_name = UserName;
  environment.sleep = Sleep;
  environment.catch_interrupt = [](std::function<void()> on_interrupt) -> std::shared_ptr<void> {
    return std::make_shared<InterruptCatcher>(std::move(on_interrupt));
  };
  return anneal::client::RunCli(std::vector<std::string>(argv + std::min(argc, 1), argv + argc),
                                environment);
}
