// std::mutex with Clang's thread-safety annotations, so that `-Wthread-safety` proves which lock
// guards what. (absl::Mutex is not used: ThreadSanitizer reports false races in it where Abseil
// itself is not instrumented.)
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define ANNEAL_THREAD_ANNOTATION(x) __attribute__((x))
#else
#define ANNEAL_THREAD_ANNOTATION(x)
#endif

#define ANNEAL_GUARDED_BY(mutex) ANNEAL_THREAD_ANNOTATION(guarded_by(mutex))
#define ANNEAL_REQUIRES(...) ANNEAL_THREAD_ANNOTATION(requires_capability(__VA_ARGS__))
#define ANNEAL_EXCLUDES(...) ANNEAL_THREAD_ANNOTATION(locks_excluded(__VA_ARGS__))

namespace anneal {

class ANNEAL_THREAD_ANNOTATION(capability("mutex")) Mutex {
 public:
  void Lock() ANNEAL_THREAD_ANNOTATION(acquire_capability()) { mutex_.lock(); }
  void Unlock() ANNEAL_THREAD_ANNOTATION(release_capability()) { mutex_.unlock(); }

 private:
  friend class CondVar;
  std::mutex mutex_;
};

class ANNEAL_THREAD_ANNOTATION(scoped_lockable) MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ANNEAL_THREAD_ANNOTATION(acquire_capability(mutex))
      : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() ANNEAL_THREAD_ANNOTATION(release_capability()) { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

// Waits release `mutex` and hold it again on return; they may wake without cause, so wait in a
// loop.
class CondVar {
 public:
  void Wait(Mutex& mutex) ANNEAL_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    condition_.wait(lock);
    lock.release();
  }

  // False when `timeout` passed without a notification.
  bool WaitFor(Mutex& mutex, std::chrono::microseconds timeout) ANNEAL_REQUIRES(mutex) {
    std::unique_lock<std::mutex> lock(mutex.mutex_, std::adopt_lock);
    const bool notified = condition_.wait_for(lock, timeout) == std::cv_status::no_timeout;
    lock.release();
    return notified;
  }

  void NotifyOne() { condition_.notify_one(); }
  void NotifyAll() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

}  // namespace anneal
