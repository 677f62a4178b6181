// Makes the calls of one history against the daemon, and writes down what it sees.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "anneal/v1/job_service.grpc.pb.h"
#include "server/core/mutex.h"
#include "tests/fault/model/daemon_process.h"
#include "tests/fault/model/killer.h"
#include "tests/fault/model/plan.h"
#include "tests/fault/model/record.h"

namespace anneal::model {

// Thread-safe inside; its public functions are for one thread.
class HistoryRun {
 public:
  // What it is given must outlive it.
  HistoryRun(size_t number, const PlannedHistory& plan, DaemonProcess& daemon, Killer& killer);
  ~HistoryRun();

  // Blocks until every client has made its calls.
  void RunClients();

  // Finds the jobs whose submit was never answered, resumes what is paused, and blocks until all
  // jobs have ended. The daemon may still be killed.
  void BringToEnd();

  // What is there when all is over and nobody kills the daemon any more.
  HistoryRecord Finish();

  // The same where something has gone wrong: what is needed to see what it was.
  HistoryRecord GiveUp();

 private:
  using Jobs = v1::JobService::Stub;

  struct Shared {
    std::string id;
    int submits = 0;  // under way
    bool may_be_deleted = false;
    bool log_is_whole = false;
    std::vector<v1::JobEvent> log;
  };

  void RunClient(int client);
  void AwaitRunning(const std::string& id);
  void Meet(int meeting) ANNEAL_EXCLUDES(mutex_);
  void Make(int client, const PlannedCall& call);
  void Submit(int client, const PlannedCall& call);
  void SubmitOther(int client, const PlannedJob& job);
  Operation OneJob(int client, Call call, const PlannedJob& job, const std::string& id);
  void Delete(int client, size_t job, const std::string& id);
  void List(int client);
  Operation Metrics(int client, const PlannedJob& job, const std::string& id);
  void StartWatch(const PlannedCall& call, const std::string& id);
  void Watch(WatchRecord& record, const std::string& id, int64_t drop_every);
  bool ReadLog(const std::string& id, std::vector<v1::JobEvent>& log);
  bool ResumeWhereNeeded(const PlannedJob& job, const std::string& id);
  void FindLostJobs();
  HistoryRecord TakeRecord() ANNEAL_EXCLUDES(mutex_);

  // One call of one method; false where there is no daemon to call any more. Fills in everything
  // that is the same for all calls, and adds the operation once `use` has filled in the rest from
  // an OK answer.
  template <typename Request, typename Response, typename Use>
  bool CallOnce(Operation& operation,
                grpc::Status (Jobs::*method)(grpc::ClientContext*, const Request&, Response*),
                const Request& request, const Use& use);
  void SetOutcome(const grpc::Status& status, Operation& operation);
  void SetDeadline(grpc::ClientContext& context) const;

  std::string IdOf(size_t job) ANNEAL_EXCLUDES(mutex_);
  void Learn(size_t job, const std::string& id) ANNEAL_EXCLUDES(mutex_);
  void Add(Operation operation) ANNEAL_EXCLUDES(mutex_);
  // Something that no model allows: it makes no sense to go on.
  void AddProblem(std::string problem) ANNEAL_EXCLUDES(mutex_);

  const size_t number_;
  const PlannedHistory& plan_;
  DaemonProcess& daemon_;
  Killer& killer_;

  Mutex mutex_;
  CondVar met_;
  std::vector<size_t> arrived_ ANNEAL_GUARDED_BY(mutex_);  // clients, by meeting
  std::vector<Shared> jobs_ ANNEAL_GUARDED_BY(mutex_);     // as in the plan
  std::vector<Operation> operations_ ANNEAL_GUARDED_BY(mutex_);
  std::vector<std::string> problems_ ANNEAL_GUARDED_BY(mutex_);
  // Each is written by its thread alone.
  std::vector<std::unique_ptr<WatchRecord>> watches_ ANNEAL_GUARDED_BY(mutex_);
  std::vector<std::thread> watchers_ ANNEAL_GUARDED_BY(mutex_);
};

}  // namespace anneal::model
