#include "tests/fault/model/plan.h"

#include <array>
#include <charconv>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "tests/fault/model/chain_training.h"

namespace anneal::model {
namespace {

constexpr int64_t kKeysPerHistory = 100;
constexpr char kKeyMark[] = "-job-";

class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}

  // From `low` to `high`. (The distributions of the standard library differ between libraries.)
  int64_t From(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(engine_() % static_cast<uint64_t>(high - low + 1));
  }
  bool Once(int64_t in) { return From(1, in) == 1; }
  uint64_t Bits() { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

PlannedJob PlanJob(Dice& dice, int64_t key) {
  PlannedJob job;
  job.key = key;
  job.name = JobName(key);
  job.seed = dice.Bits();
  job.epochs = dice.From(1, 6);
  job.priority = static_cast<int32_t>(dice.From(-1, 1));
  if (!dice.Once(8)) job.request_id = absl::StrCat("request-", key);
  return job;
}

Call PickCall(Dice& dice) {
  // How often each is made, of a hundred.
  constexpr std::array<std::pair<Call, int64_t>, 9> kShares = {{{Call::kSubmit, 18},
                                                                {Call::kPause, 18},
                                                                {Call::kResume, 18},
                                                                {Call::kCancel, 10},
                                                                {Call::kDelete, 7},
                                                                {Call::kGet, 14},
                                                                {Call::kList, 5},
                                                                {Call::kMetrics, 4},
                                                                {Call::kWatch, 6}}};
  int64_t left = dice.From(1, 100);
  for (const auto& [call, share] : kShares) {
    left -= share;
    if (left <= 0) return call;
  }
  return Call::kGet;
}

PlannedCall Make(Dice& dice, Call call, size_t job) {
  PlannedCall planned{.call = call, .job = job};
  planned.retries = !dice.Once(5);
  if (call == Call::kPause || call == Call::kCancel) planned.when_running = dice.Once(3);
  if (call == Call::kWatch && dice.Once(2)) planned.drop_every = dice.From(1, 4);
  return planned;
}

// Calls that follow each other closely are where the races are.
void AddBurst(Dice& dice, size_t job, std::vector<PlannedCall>& calls) {
  static constexpr std::array<std::array<Call, 3>, 9> kBursts = {
      {{Call::kSubmit, Call::kCancel, Call::kGet},
       {Call::kSubmit, Call::kPause, Call::kResume},
       {Call::kPause, Call::kResume, Call::kPause},
       {Call::kPause, Call::kPause, Call::kResume},
       {Call::kResume, Call::kPause, Call::kResume},
       {Call::kPause, Call::kCancel, Call::kResume},
       {Call::kSubmit, Call::kGet, Call::kPause},
       {Call::kResume, Call::kCancel, Call::kDelete},
       {Call::kSubmitOther, Call::kSubmit, Call::kSubmitOther}}};
  const size_t which = static_cast<size_t>(dice.From(0, kBursts.size() - 1));
  for (const Call call : kBursts[which]) calls.push_back(Make(dice, call, job));
}

// All clients at once, with the same job, which is new to them.
void AddDuel(Dice& dice, int64_t number, int meeting, PlannedHistory& history) {
  const size_t job = history.jobs.size();
  history.jobs.push_back(
      PlanJob(dice, number * kKeysPerHistory + static_cast<int64_t>(history.jobs.size())));
  history.clients[0].push_back(Make(dice, Call::kSubmit, job));
  enum { kBursts, kTugOfWar, kEndUnderNewWatchers, kStopAtTheBeginning };
  const int64_t kind = dice.From(kBursts, kStopAtTheBeginning);
  if (kind != kStopAtTheBeginning && dice.Once(2))
    history.clients[0].push_back({.call = Call::kPause, .job = job});
  for (size_t client = 0; client < history.clients.size(); ++client) {
    std::vector<PlannedCall>& calls = history.clients[client];
    const size_t first = calls.size();
    if (kind == kBursts) {
      AddBurst(dice, job, calls);
    } else if (kind == kTugOfWar) {
      for (int pull = 0; pull < 5; ++pull)
        calls.push_back({.call = client % 2 == 0 ? Call::kPause : Call::kResume, .job = job});
    } else if (kind == kStopAtTheBeginning) {
      calls.push_back(
          {.call = dice.Once(2) ? Call::kCancel : Call::kPause, .job = job, .when_running = true});
      calls.push_back({.call = Call::kResume, .job = job});
    } else {
      calls.push_back(Make(dice, client == 0 ? Call::kCancel : Call::kWatch, job));
      calls.push_back(Make(dice, client == 0 ? Call::kGet : Call::kWatch, job));
    }
    calls[first].meeting = meeting;
  }
}

PlannedHistory PlanHistory(Dice& dice, int64_t number) {
  PlannedHistory history;
  const int64_t jobs = dice.From(2, 5);
  for (int64_t job = 0; job < jobs; ++job)
    history.jobs.push_back(PlanJob(dice, number * kKeysPerHistory + job));
  const int64_t clients = dice.From(2, 3);
  history.clients.resize(static_cast<size_t>(clients));
  for (int64_t client = 0; client < clients; ++client) {
    // Nearly every job is submitted early by somebody.
    std::vector<PlannedCall>& calls = history.clients[static_cast<size_t>(client)];
    for (int64_t job = client; job < jobs; job += clients) {
      calls.push_back(Make(dice, Call::kSubmit, static_cast<size_t>(job)));
      if (dice.Once(2)) calls.push_back(Make(dice, Call::kWatch, static_cast<size_t>(job)));
    }
  }
  const auto pick_job = [&] { return static_cast<size_t>(dice.From(0, jobs - 1)); };
  const int rounds = static_cast<int>(dice.From(1, 2));
  for (int round = 1; round <= rounds; ++round) {
    for (std::vector<PlannedCall>& calls : history.clients) {
      for (int64_t left = dice.From(0, 4); left > 0; --left) {
        const size_t job = pick_job();
        calls.push_back(Make(dice, PickCall(dice), job));
      }
    }
    AddDuel(dice, number, round, history);
  }
  return history;
}

// `calls`: about so many are made in the batch.
PlannedKill PlanKill(Dice& dice, int64_t calls) {
  constexpr std::array<Call, 5> kEventful = {Call::kSubmit, Call::kPause, Call::kResume,
                                             Call::kCancel, Call::kDelete};
  PlannedKill kill;
  kill.any = dice.Once(2);
  if (!kill.any) kill.call = kEventful[static_cast<size_t>(dice.From(0, kEventful.size() - 1))];
  // Between two kills; where fewer are made, it is killed when the clients have ended.
  kill.count = dice.From(1, kill.any ? calls / 2 : calls / 12);
  kill.after = dice.Once(2);
  kill.delay_us = dice.Once(2) ? dice.From(0, 500) : dice.From(0, 5'000);
  return kill;
}

}  // namespace

std::string_view CallName(Call call) {
  switch (call) {
    case Call::kSubmit:
      return "submit";
    case Call::kSubmitOther:
      return "submit another spec with the request id of";
    case Call::kPause:
      return "pause";
    case Call::kResume:
      return "resume";
    case Call::kCancel:
      return "cancel";
    case Call::kDelete:
      return "delete";
    case Call::kGet:
      return "get";
    case Call::kList:
      return "list";
    case Call::kMetrics:
      return "metrics";
    case Call::kWatch:
      return "watch";
  }
  return "";
}

PlannedBatch PlanBatch(uint64_t seed, int64_t number) {
  Dice dice(Mix(seed ^ Mix(static_cast<uint64_t>(number))));
  PlannedBatch batch;
  batch.seed = seed;
  batch.number = number;
  constexpr std::array<int, 5> kWorkers = {1, 1, 2, 4, 12};
  batch.workers = kWorkers[static_cast<size_t>(dice.From(0, kWorkers.size() - 1))];
  constexpr std::array<int64_t, 3> kHastes = {30, 200, 2'000};
  batch.haste = kHastes[static_cast<size_t>(dice.From(0, kHastes.size() - 1))];
  batch.in_memory = dice.Once(2);
  int64_t calls = 0;
  for (int64_t history = 0; history < kHistoriesPerBatch; ++history) {
    batch.histories.push_back(PlanHistory(dice, history));
    for (const auto& client : batch.histories.back().clients)
      calls += static_cast<int64_t>(client.size());
  }
  const int64_t kills = dice.From(0, 3);
  for (int64_t kill = 0; kill < kills; ++kill) batch.kills.push_back(PlanKill(dice, calls));
  // Not more: a job that is interrupted again and again may be given up.
  if (kills > 0 && dice.Once(3)) batch.kills[0].again_after_us = dice.From(0, 60'000);
  return batch;
}

std::string JobName(int64_t key) {
  return absl::StrCat(HistoryPrefix(static_cast<size_t>(key / kKeysPerHistory)), kKeyMark, key);
}

int64_t JobKeyOf(std::string_view name) {
  const size_t mark = name.rfind(kKeyMark);
  if (mark == std::string_view::npos) return -1;
  const std::string_view digits = name.substr(mark + sizeof kKeyMark - 1);
  int64_t key = -1;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), key);
  return error == std::errc() && end == digits.data() + digits.size() ? key : -1;
}

std::string HistoryPrefix(size_t history) { return absl::StrFormat("history-%02d", history); }

}  // namespace anneal::model
