#include "tests/fault/model/batch_run.h"

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "tests/fault/model/daemon_process.h"
#include "tests/fault/model/history_run.h"
#include "tests/fault/model/killer.h"
#include "tests/fault/model/serve.h"

namespace anneal::model {
namespace {

template <typename Do>
void AtOnce(std::vector<std::unique_ptr<HistoryRun>>& runs, const Do& what) {
  std::vector<std::thread> threads;
  for (const auto& run : runs) threads.emplace_back([&what, &run] { what(*run); });
  for (std::thread& thread : threads) thread.join();
}

// An operation whose answer was lost may take effect until its process is gone, which is later than
// the client heard of it.
void ProlongUnknown(BatchRecord& record) {
  std::map<int64_t, int64_t> gone;
  for (const Generation& each : record.generations) gone[each.number] = each.killed_us;
  for (HistoryRecord& history : record.histories) {
    for (Operation& operation : history.operations) {
      if (operation.outcome == Operation::Outcome::kUnknown)
        operation.end_us = std::max(operation.end_us, gone[operation.generation]);
    }
  }
}

}  // namespace

BatchRecord RunBatch(const PlannedBatch& plan, const std::string& folder, int64_t patience_us) {
  BatchRecord record;
  record.plan = plan;
  record.folder = folder;
  ServeOptions serve;
  serve.folder = folder;
  serve.workers = plan.workers;
  serve.haste = plan.haste;
  DaemonProcess daemon(serve, patience_us);
  if (const absl::Status started = daemon.Start(); !started.ok()) {
    record.problems.push_back(started.ToString());
    record.gave_up = true;
    record.daemon_output = daemon.Output();
    return record;
  }
  {
    Killer killer(plan.kills, daemon);
    std::vector<std::unique_ptr<HistoryRun>> runs;
    for (size_t i = 0; i < plan.histories.size(); ++i) {
      runs.push_back(std::make_unique<HistoryRun>(i, plan.histories[i], daemon, killer));
    }
    AtOnce(runs, [](HistoryRun& run) { run.RunClients(); });
    killer.ClientsEnded();
    AtOnce(runs, [](HistoryRun& run) { run.BringToEnd(); });
    record.problems = killer.Join();
    // Those that ended before the last kill have lost nothing by it.
    for (const auto& run : runs)
      record.histories.push_back(daemon.failed() ? run->GiveUp() : run->Finish());
    record.gave_up = daemon.failed();
  }
  if (const absl::Status killed = daemon.Kill(); !killed.ok())
    record.problems.push_back(killed.ToString());
  record.generations = daemon.Generations();
  record.work = ReadWorkLog(WorkLogPath(folder));
  record.daemon_output = daemon.Output();
  ProlongUnknown(record);
  return record;
}

}  // namespace anneal::model
