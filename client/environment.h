// What the client touches of the outside world, passed in so that tests can stand in for it.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>

#include "server/core/clock.h"

namespace anneal::client {

struct Environment {
  std::istream* in = nullptr;   // of the job file `-`
  std::ostream* out = nullptr;  // answers
  std::ostream* err = nullptr;  // errors, warnings, notes
  bool out_is_terminal = false;
  std::function<int()> columns;  // of the terminal, now
  const Clock* clock = nullptr;

  // An environment variable; nothing where it is not set.
  std::function<std::optional<std::string>(const std::string& name)> variable;

  // The login name of the user; their number, in decimal, where the system knows no name.
  std::function<std::string()> user_name;

  // Blocks for `duration`, or until `stop` becomes true (then it returns within a tenth of a
  // second).
  std::function<void(std::chrono::milliseconds duration, const std::atomic<bool>& stop)> sleep;

  // Has Ctrl-C call `on_interrupt`, on another thread, once, for as long as the result lives;
  // Ctrl-C does not end the process meanwhile, but a second one does.
  std::function<std::shared_ptr<void>(std::function<void()> on_interrupt)> catch_interrupt;
};

}  // namespace anneal::client
