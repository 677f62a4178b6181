// The daemon under test as its clients have it: there is one, then there is none for a moment, and
// then there is another on the same data.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anneal/v1/job_service.grpc.pb.h"
#include "server/core/mutex.h"
#include "tests/fault/model/serve.h"

namespace anneal::model {

// One process, from its start to its end.
struct Generation {
  int64_t number = 0;     // from 0
  int64_t start_us = 0;   // SharedNowUs(), as all times: it was not there before
  int64_t ready_us = 0;   // it took calls; 0: it was killed sooner
  int64_t killed_us = 0;  // it was gone; 0: it lives
};

struct Connection {
  int64_t generation = 0;
  std::unique_ptr<v1::JobService::Stub> jobs;
};

// Thread-safe but for Start, Kill and StartAgain, which one thread calls.
class DaemonProcess {
 public:
  // `serve`: of every process, but for socket and generation. `patience_us`: how long anything may
  // take that should be done in a moment. Nothing runs yet.
  DaemonProcess(ServeOptions serve, int64_t patience_us)
      : serve_(std::move(serve)), patience_us_(patience_us) {}

  // Kills it.
  ~DaemonProcess();
  DaemonProcess(const DaemonProcess&) = delete;
  DaemonProcess& operator=(const DaemonProcess&) = delete;

  // Blocks until it takes calls. An error says what the process said.
  absl::Status Start();

  // With -9. Returns when it is gone. Where it had ended by itself: INTERNAL, with how.
  absl::Status Kill();

  // After Kill. `kill_after_us`: the new process is killed so long after its start, whether it
  // takes calls by then or not, and one more is started; -1: no.
  absl::Status StartAgain(int64_t kill_after_us);

  // To the process that takes calls. Blocks while there is none; null where there will not be one
  // (Fail), or for longer than patience.
  std::shared_ptr<Connection> Connect() ANNEAL_EXCLUDES(mutex_);

  // Whether calls to this process may fail because it is being killed, or has been.
  bool IsKilled(int64_t generation) const ANNEAL_EXCLUDES(mutex_);

  // From now on Connect answers null: the batch has gone wrong, and is brought to its end soon.
  void Fail() ANNEAL_EXCLUDES(mutex_);
  bool failed() const ANNEAL_EXCLUDES(mutex_);

  // As Connect, to look at what has gone wrong: also after Fail, and without blocking.
  std::shared_ptr<Connection> ConnectAfterFailure() const ANNEAL_EXCLUDES(mutex_);

  std::vector<Generation> Generations() const ANNEAL_EXCLUDES(mutex_);
  int64_t patience_us() const { return patience_us_; }

  // What the processes wrote to their standard error, at most the end of it.
  std::string Output() const;

 private:
  absl::Status Spawn(int64_t number) ANNEAL_EXCLUDES(mutex_);
  absl::Status AwaitReady() const;
  absl::Status Publish() ANNEAL_EXCLUDES(mutex_);
  std::string SocketPath(int64_t number) const;
  std::string OutputPath() const { return serve_.folder + "/stderr.txt"; }

  const ServeOptions serve_;
  const int64_t patience_us_;

  // Used by the thread that starts and kills.
  pid_t pid_ = -1;
  int stdin_ = -1;   // the child ends when this is closed
  int stdout_ = -1;  // a line when it takes calls

  mutable Mutex mutex_;
  CondVar changed_;
  bool failed_ ANNEAL_GUARDED_BY(mutex_) = false;
  bool killing_ ANNEAL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<Connection> connection_ ANNEAL_GUARDED_BY(mutex_);
  std::vector<Generation> generations_ ANNEAL_GUARDED_BY(mutex_);
};

}  // namespace anneal::model
