// A world for the client in a test: streams in memory, a clock that only moves when the client
// sleeps, a hand on Ctrl-C.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "client/cli.h"
#include "client/environment.h"
#include "server/core/mutex.h"
#include "tests/support/manual_clock.h"

namespace anneal::client {

class TestEnvironment {
 public:
  TestEnvironment() {
    environment_.in = &in;
    environment_.out = &out;
    environment_.err = &err;
    environment_.columns = [this] { return columns; };
    environment_.clock = &clock;
    environment_.variable = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional<std::string>(found->second);
    };
    environment_.user_name = [this] { return user_name; };
    environment_.sleep = [this](std::chrono::milliseconds duration, const std::atomic<bool>&) {
      sleeps.push_back(duration);
      clock.Advance(std::chrono::microseconds(duration).count());
      if (on_sleep) on_sleep(static_cast<int>(sleeps.size()));
    };
    environment_.catch_interrupt =
        [this](std::function<void()> on_interrupt) -> std::shared_ptr<void> {
      {
        MutexLock lock(mutex_);
        on_interrupt_ = std::move(on_interrupt);
      }
      return std::shared_ptr<void>(nullptr, [this](void*) {
        MutexLock lock(mutex_);
        on_interrupt_ = nullptr;
      });
    };
  }

  // Runs the client; the exit code. Earlier output is dropped.
  int Run(const std::vector<std::string>& arguments) {
    out.str("");
    err.str("");
    sleeps.clear();
    environment_.out_is_terminal = out_is_terminal;
    return RunCli(arguments, environment_);
  }

  // From any thread.
  void PressCtrlC() {
    MutexLock lock(mutex_);
    if (on_interrupt_) on_interrupt_();
  }

  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  std::map<std::string, std::string> variables;
  std::string user_name = "ada";
  bool out_is_terminal = false;
  int columns = 80;
  ManualClock clock;
  std::vector<std::chrono::milliseconds> sleeps;
  std::function<void(int number)> on_sleep;  // after the clock has moved; from 1

 private:
  Environment environment_;
  Mutex mutex_;
  std::function<void()> on_interrupt_ ANNEAL_GUARDED_BY(mutex_);
};

}  // namespace anneal::client
