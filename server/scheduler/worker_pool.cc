#include "server/scheduler/worker_pool.h"

#include <pthread.h>

#include <system_error>

#include "absl/strings/str_cat.h"

namespace anneal {

void SetThreadName(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

absl::Status WorkerPool::Start(const std::string& name, int count,
                               const std::function<void()>& body) {
  for (int number = 1; number <= count; ++number) {
    try {
      threads_.emplace_back([thread_name = absl::StrCat(name, "-", number), body] {
        SetThreadName(thread_name);
        body();
      });
    } catch (const std::system_error& error) {
      return absl::ResourceExhaustedError(
          absl::StrCat("thread ", number, " of ", count, " named \"", name,
                       "\" cannot be started: ", error.what(), "; ask for fewer"));
    }
  }
  return absl::OkStatus();
}

void WorkerPool::Join() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

}  // namespace anneal
