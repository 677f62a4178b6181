// The one writer of the database.
//
// A commit costs a wait for the disk (fsync), a mutation itself microseconds. So mutations queue
// up, and the writer's thread takes all that wait, runs each in a SAVEPOINT of one transaction,
// commits once and then answers all: the time of one wait is shared by everyone who arrived during
// the one before.
//
// What can go wrong, and what each caller is told:
//  - A mutation fails: its savepoint is rolled back, the others are not touched.
//  - A mutation fails and SQLite rolls the whole transaction back, as it does when the disk is
//  full: every mutation of
//    the group is run again, each in a transaction of its own. They may run twice, but only one run
//    takes effect.
//  - BEGIN or COMMIT fails, or the file is no longer where it was: the group fails, nothing of it
//  was written. Where the disk refused the last step of a commit
//    (fsync), a power failure right then may still leave it written: an error means "not promised",
//    OK means "durable".
//  - In every case the connection is out of the transaction afterwards and the next group starts
//  afresh.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "server/core/mutex.h"
#include "storage/connection.h"

namespace anneal {

// Thread-safe.
class GroupCommit {
 public:
  // Runs on the writer's thread inside a transaction, at least once; only the last run counts. May
  // throw what SQLiteCpp throws.
  using Mutation = std::function<absl::Status(Connection&)>;

  struct Counters {
    int64_t mutations = 0;  // answered with OK
    int64_t commits = 0;    // transactions committed
    int64_t waiting = 0;    // mutations queued now, not yet taken by the writer
  };

  // Starts the thread. `max_group`: mutations in one transaction, at least 1.
  GroupCommit(std::unique_ptr<Connection> connection, size_t max_group);

  // Answers what waits, then ends the thread and closes the connection. No Run() may be under way
  // or begin.
  ~GroupCommit();

  // Blocks until `mutation` is committed or has failed.
  absl::Status Run(const Mutation& mutation) ANNEAL_EXCLUDES(mutex_);

  Counters GetCounters() const ANNEAL_EXCLUDES(mutex_);

 private:
  // Lives on the stack of Run().
  struct Pending {
    const Mutation* mutation = nullptr;
    absl::Status status;
    bool done = false;
    CondVar answered;
  };
  using Group = std::vector<Pending*>;

  void Loop() ANNEAL_EXCLUDES(mutex_);
  void Answer(const Group& group) ANNEAL_EXCLUDES(mutex_);

  // Fills in `status` of each.
  void Commit(const Group& group);

  // False where SQLite rolled back the transaction before the commit; nothing is written then.
  bool TryCommit(const Group& group);
  absl::Status RunInSavepoint(const Mutation& mutation);
  absl::Status Execute(const char* sql);

  const std::unique_ptr<Connection> connection_;  // used by thread_ only
  const size_t max_group_;

  mutable Mutex mutex_;
  CondVar work_;
  std::deque<Pending*> queue_ ANNEAL_GUARDED_BY(mutex_);
  bool stopping_ ANNEAL_GUARDED_BY(mutex_) = false;
  Counters counters_ ANNEAL_GUARDED_BY(mutex_);
  int64_t commits_ = 0;  // by thread_ only, not yet in counters_

  std::thread thread_;  // the last member: it uses the others
};

}  // namespace anneal
