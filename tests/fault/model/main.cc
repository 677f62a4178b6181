// A model check of the queue: random clients against the real daemon, which is killed, and every
// answer against a small reference model.
//
// usage: fault_model [--histories N | --full] [--seed S] [--lanes L] [--patience SECONDS]
// [--coverage]
//        fault_model --seed S --batch B [--repeat R]      one batch again
//
// Exit codes: 0 nothing was wrong, 1 something was (the history is printed), 2 usage.
//
// The daemon is this program again (serve.h). What the clients do and when it is killed follows
// from the seed; how the threads interleave does not, so a batch that failed may have to be
// repeated.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/mutex.h"
#include "tests/fault/model/batch_check.h"
#include "tests/fault/model/batch_run.h"
#include "tests/fault/model/coverage.h"
#include "tests/fault/model/plan.h"
#include "tests/fault/model/report.h"
#include "tests/fault/model/serve.h"
#include "tests/fault/model/shared_clock.h"
#include "tests/support/temp_folder.h"

namespace anneal::model {
namespace {

constexpr int64_t kFullHistories = 10'000;

struct Options {
  std::string program;  // as it was called
  int64_t histories = 150;
  bool full = false;
  uint64_t seed = 1;
  int lanes = 2;
  int64_t patience_seconds = 60;
  int64_t batch = -1;
  int64_t repeat = 1;
  bool coverage = false;
  ServeOptions serve;
};

struct Totals {
  int64_t histories = 0;
  int64_t jobs = 0;
  int64_t calls = 0;
  int64_t unknown = 0;
  int64_t kills = 0;
  int64_t attempts = 0;
  int64_t steps = 0;
};

// Thread-safe.
class Score {
 public:
  explicit Score(const Options& options) : options_(options) {}

  // False where something is wrong, which is printed, once.
  bool Add(const BatchRecord& batch) {
    const std::vector<Problem> problems = CheckBatch(batch);
    const MutexLock lock(mutex_);
    Count(batch);
    if (problems.empty()) return true;
    if (!failed_) Print(batch, problems);
    failed_ = true;
    return false;
  }

  bool failed() const {
    const MutexLock lock(mutex_);
    return failed_;
  }

  Totals totals() const {
    const MutexLock lock(mutex_);
    return totals_;
  }

  std::map<std::string, int64_t> coverage() const {
    const MutexLock lock(mutex_);
    return coverage_;
  }

 private:
  void Count(const BatchRecord& batch) ANNEAL_REQUIRES(mutex_) {
    AddCoverage(batch, coverage_);
    for (const HistoryRecord& history : batch.histories) {
      totals_.histories += 1;
      totals_.calls += static_cast<int64_t>(history.operations.size());
      for (const Operation& operation : history.operations)
        totals_.unknown += operation.outcome == Operation::Outcome::kUnknown ? 1 : 0;
      for (const JobRecord& job : history.jobs) {
        totals_.jobs += job.id.empty() ? 0 : 1;
        if (job.last.has_value()) totals_.attempts += job.last->attempt_count();
      }
    }
    for (const WorkRecord& record : batch.work)
      totals_.steps += record.kind == WorkRecord::Kind::kStep ? 1 : 0;
    totals_.kills += static_cast<int64_t>(batch.generations.size()) - 1;
  }

  void Print(const BatchRecord& batch, const std::vector<Problem>& problems) const {
    constexpr size_t kShown = 20;
    const auto shown = std::find_if(problems.begin(), problems.end(), [](const Problem& each) {
      return each.history != Problem::kNoHistory;
    });
    if (shown != problems.end()) {
      std::printf("%s\n", Describe(batch, shown->history).c_str());
      if (shown->other_history != Problem::kNoHistory && shown->other_history != shown->history)
        std::printf("%s\n", Describe(batch, shown->other_history).c_str());
    }
    if (!batch.daemon_output.empty())
      std::printf("The daemon said:\n%s\n", batch.daemon_output.c_str());
    std::printf("seed %llu, batch %lld: WRONG\n", static_cast<unsigned long long>(batch.plan.seed),
                static_cast<long long>(batch.plan.number));
    for (size_t i = 0; i < problems.size() && i < kShown; ++i) {
      std::printf("  %s%s\n",
                  problems[i].history == Problem::kNoHistory
                      ? ""
                      : absl::StrCat("history ", problems[i].history, ": ").c_str(),
                  problems[i].text.c_str());
    }
    if (problems.size() > kShown) std::printf("  and %zu more\n", problems.size() - kShown);
    std::printf(
        "To repeat it (how the threads interleave is chance, so more than once):\n"
        "  %s --seed %llu --batch %lld --repeat 20 --patience %lld\n",
        options_.program.c_str(), static_cast<unsigned long long>(batch.plan.seed),
        static_cast<long long>(batch.plan.number),
        static_cast<long long>(options_.patience_seconds));
    std::fflush(stdout);
  }

  const Options& options_;
  mutable Mutex mutex_;
  std::map<std::string, int64_t> coverage_ ANNEAL_GUARDED_BY(mutex_);
  Totals totals_ ANNEAL_GUARDED_BY(mutex_);
  bool failed_ ANNEAL_GUARDED_BY(mutex_) = false;
};

// Where files are in memory; "" where there is no such place.
std::string MemoryFolder() {
  constexpr char kFolder[] = "/dev/shm";
  return access(kFolder, W_OK | X_OK) == 0 ? kFolder : "";
}

int Check(const Options& options) {
  const int64_t histories = options.full ? kFullHistories : options.histories;
  const int64_t batches = options.batch >= 0
                              ? options.repeat
                              : (histories + kHistoriesPerBatch - 1) / kHistoriesPerBatch;
  std::printf("seed %llu, %lld batches of %lld histories\n",
              static_cast<unsigned long long>(options.seed), static_cast<long long>(batches),
              static_cast<long long>(kHistoriesPerBatch));
  std::fflush(stdout);
  const int64_t begin_us = SharedNowUs();
  Score score(options);
  std::atomic<int64_t> next{0};
  std::vector<std::thread> lanes;
  for (int lane = 0; lane < options.lanes; ++lane) {
    lanes.emplace_back([&] {
      for (int64_t number = next++; number < batches && !score.failed(); number = next++) {
        const PlannedBatch plan =
            PlanBatch(options.seed, options.batch >= 0 ? options.batch : number);
        const TempFolder folder(plan.in_memory ? MemoryFolder() : "");
        score.Add(RunBatch(plan, folder.path(), options.patience_seconds * 1'000'000));
      }
    });
  }
  for (std::thread& lane : lanes) lane.join();
  if (options.coverage) {
    for (const auto& [what, count] : score.coverage())
      std::printf("%8lld  %s\n", static_cast<long long>(count), what.c_str());
  }
  const Totals totals = score.totals();
  std::printf(
      "%s: %lld histories, %lld jobs, %lld attempts, %lld steps, %lld calls (%lld without an "
      "answer), %lld kills, %.1f s\n",
      score.failed() ? "WRONG" : "all as the model allows",
      static_cast<long long>(totals.histories), static_cast<long long>(totals.jobs),
      static_cast<long long>(totals.attempts), static_cast<long long>(totals.steps),
      static_cast<long long>(totals.calls), static_cast<long long>(totals.unknown),
      static_cast<long long>(totals.kills), static_cast<double>(SharedNowUs() - begin_us) / 1e6);
  return score.failed() ? 1 : 0;
}

}  // namespace
}  // namespace anneal::model

int main(int argc, char** argv) {
  anneal::model::Options options;
  options.program = argv[0];
  CLI::App app("A model check of the queue.");
  app.add_option("--histories", options.histories, "How many.")->check(CLI::PositiveNumber);
  app.add_flag("--full", options.full, "10,000 histories.");
  app.add_option("--seed", options.seed, "What the clients do follows from it.");
  app.add_option("--lanes", options.lanes, "Batches at a time.")->check(CLI::PositiveNumber);
  app.add_option("--patience", options.patience_seconds,
                 "How many seconds anything may take that should be done in a moment.")
      ->check(CLI::PositiveNumber);
  app.add_option("--batch", options.batch, "Only this one.");
  app.add_option("--repeat", options.repeat, "How often that one.")->check(CLI::PositiveNumber);
  app.add_flag("--coverage", options.coverage, "Print how often the interesting things happened.");
  // For the daemon under test.
  app.add_option("--serve", options.serve.folder)->group("");
  app.add_option("--socket", options.serve.socket)->group("");
  app.add_option("--workers", options.serve.workers)->group("");
  app.add_option("--generation", options.serve.generation)->group("");
  app.add_option("--haste", options.serve.haste)->group("");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  if (!options.serve.folder.empty()) return anneal::model::Serve(options.serve);
  return anneal::model::Check(options);
}
