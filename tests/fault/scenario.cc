#include "tests/fault/scenario.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <map>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "anneal/v1/job.pb.h"
#include "server/core/durable_file.h"
#include "server/core/status_macros.h"
#include "server/core/strings.h"
#include "tests/scheduler/scheduler_fixture.h"

namespace anneal {
namespace {

// Trainings that wait before an epoch until a step opens their gate.
const std::map<std::string, int64_t>& Gates() {
  static const auto& gates = *new std::map<std::string, int64_t>{
      {"beta", 3}, {"delta", 2}, {"epsilon", 1}, {"zeta", 1}, {"theta", 3}};
  return gates;
}

NewJob Training(const std::string& name, int64_t epochs) {
  NewJob job = SmallJob(name);
  v1::JobSpec spec = SmallSpec(name);
  spec.mutable_training()->set_epochs(epochs);
  job.spec = spec.SerializeAsString();
  job.request_id = absl::StrCat("request for ", name);
  return job;
}

NewJob Planned(const std::string& name) {
  for (const ExpectedJob& job : ExpectedJobs()) {
    if (job.name != name) continue;
    // One that is cancelled would go on longer.
    return Training(name, job.state == JobState::kCancelled ? job.epochs + 2 : job.epochs);
  }
  return NewJob();
}

NewJob Sweep(const std::string& name) {
  NewJob job = Training(name, 2);
  job.kind = JobKind::kSweep;
  for (int trial = 1; trial <= 2; ++trial) {
    const NewJob planned = Planned(absl::StrCat(name, "/", trial));
    job.trials.push_back({planned.name, planned.spec, planned.spec_sha256, {}});
  }
  return job;
}

NewJob Prediction(const std::string& name, JobId model) {
  v1::JobSpec spec;
  spec.set_name(name);
  v1::PredictionSpec& prediction = *spec.mutable_prediction();
  prediction.set_job_id(absl::StrCat(model));
  prediction.set_samples(0);
  prediction.mutable_images()->set_count(kPredictedImages);
  NewJob job;
  job.kind = JobKind::kPrediction;
  job.name = name;
  job.model_job_id = model;
  job.spec = spec.SerializeAsString();
  job.spec_sha256 = absl::StrCat("hash of ", name);
  job.request_id = absl::StrCat("request for ", name);
  return job;
}

int64_t NowUs() { return SystemClock().MonotonicUs(); }

}  // namespace

struct World::Step {
  const char* name;
  std::vector<std::string> opens;  // gates; also where the step is done already
  std::function<absl::Status(World&)> run;
};

// Each can be begun again after it was cut off anywhere, and then does what is left of it.
const std::vector<World::Step>& World::Steps() {
  using W = World&;
  static const auto& steps = *new std::vector<Step>{
      {"submit one", {}, [](W w) { return w.Submit(Planned("alpha")); }},
      {"submit several at once",
       {},
       [](W w) {
         return w.SubmitAtOnce({Planned("gamma"), Sweep("sigma"), Planned("eta")});
       }},
      {"await them",
       {},
       [](W w) -> absl::Status {
         for (const char* name : {"alpha", "gamma", "eta", "sigma"}) {
           RETURN_IF_ERROR(w.AwaitEnd(name));
         }
         return absl::OkStatus();
       }},
      {"submit one to be paused", {}, [](W w) { return w.Submit(Planned("beta")); }},
      {"pause it while it runs",
       {},
       [](W w) -> absl::Status {
         RETURN_IF_ERROR(w.AwaitHeld("beta"));
         return w.Act("beta", &Scheduler::Pause);
       }},
      {"await its pause", {}, [](W w) { return w.AwaitState("beta", {JobState::kPaused}); }},
      {"resume it", {"beta"}, [](W w) { return w.Act("beta", &Scheduler::Resume); }},
      {"await its end", {}, [](W w) { return w.AwaitEnd("beta"); }},
      {"submit one to be cancelled", {}, [](W w) { return w.Submit(Planned("delta")); }},
      {"await it at its gate", {}, [](W w) { return w.AwaitHeld("delta"); }},
      {"submit two behind it",
       {},
       [](W w) {
         return w.SubmitAtOnce({Planned("epsilon"), Planned("zeta")});
       }},
      {"cancel one that waits", {}, [](W w) { return w.Act("epsilon", &Scheduler::Cancel); }},
      {"pause one that waits", {}, [](W w) { return w.Act("zeta", &Scheduler::Pause); }},
      {"await that pause", {}, [](W w) { return w.AwaitState("zeta", {JobState::kPaused}); }},
      {"resume one that waits", {"zeta"}, [](W w) { return w.Act("zeta", &Scheduler::Resume); }},
      {"cancel the one that runs", {}, [](W w) { return w.Act("delta", &Scheduler::Cancel); }},
      {"await both ends",
       {},
       [](W w) -> absl::Status {
         RETURN_IF_ERROR(w.AwaitEnd("delta"));
         RETURN_IF_ERROR(w.AwaitEnd("epsilon"));
         return w.AwaitEnd("zeta");
       }},
      {"submit a prediction",
       {},
       [](W w) { return w.Submit(Prediction("pi", w.IdOf(kPredictingModel))); }},
      {"await it", {}, [](W w) { return w.AwaitEnd("pi"); }},
      {"submit one to be interrupted", {}, [](W w) { return w.Submit(Planned("theta")); }},
      {"interrupt it",
       {},
       [](W w) -> absl::Status {
         RETURN_IF_ERROR(w.AwaitHeld("theta"));
         return w.StopScheduler();
       }},
      {"await its end after the restart", {"theta"}, [](W w) { return w.AwaitEnd("theta"); }},
      {"delete a training", {}, [](W w) { return w.Delete(w.IdOf("eta")); }},
      {"delete a cancelled one", {}, [](W w) { return w.Delete(w.IdOf("epsilon")); }},
      {"submit the last", {}, [](W w) { return w.Submit(Planned("omega")); }},
      {"await the last", {}, [](W w) { return w.AwaitEnd("omega"); }},
      {"stop the daemon and start it again",
       {},
       [](W w) {
         w.Stop();
         return w.Start();
       }},
  };
  return steps;
}

const std::vector<ExpectedJob>& ExpectedJobs() {
  constexpr auto kTraining = JobKind::kTraining;
  static const auto& jobs = *new std::vector<ExpectedJob>{
      {.name = "alpha", .epochs = 4},
      {.name = "gamma", .epochs = 2},
      {.name = "sigma", .kind = JobKind::kSweep},
      {.name = "sigma/1", .epochs = 2},
      {.name = "sigma/2", .epochs = 2},
      {.name = "eta", .epochs = 2, .deleted = true},
      {.name = "beta", .epochs = 4},
      {.name = "delta", .epochs = 1, .state = JobState::kCancelled},
      {.name = "epsilon", .kind = kTraining, .state = JobState::kCancelled, .deleted = true},
      {.name = "zeta", .epochs = 2},
      {.name = "pi", .kind = JobKind::kPrediction},
      {.name = "theta", .epochs = 4},
      {.name = "omega", .epochs = 1},
  };
  return jobs;
}

World::World(Options options, AckLog& acks) : options_(std::move(options)), acks_(acks) {
  catalog_.Add(Cifar10Info());
  for (const auto& [name, epoch] : Gates()) engine_.SetGate(name, epoch);
}

World::~World() { Stop(); }

absl::Status World::RunScenario() {
  const std::vector<Step>& steps = Steps();
  const size_t done = StepsDone(acks_.All());
  for (size_t i = 0; i < steps.size(); ++i) {
    for (const std::string& gate : steps[i].opens) engine_.OpenGate(gate);
    if (i < done) continue;
    const int64_t deadline_us = NowUs() + options_.patience_us;
    for (;;) {
      absl::Status status = Start();
      if (status.ok()) status = steps[i].run(*this);
      if (status.ok()) break;
      if (GivesUp(deadline_us)) {
        return absl::Status(status.code(),
                            absl::StrCat("step ", i, ", ", steps[i].name, ": ", status.message()));
      }
      Pause();
    }
    acks_.Add({.kind = Ack::Kind::kStep, .number = static_cast<int64_t>(i)});
  }
  return absl::OkStatus();
}

bool World::GivesUp(int64_t deadline_us) const {
  return NowUs() >= deadline_us || (options_.gives_up && options_.gives_up());
}

// Nobody notifies: how the store answers can only be found out by asking again.
void World::Pause() {
  std::mutex mutex;
  std::condition_variable never;
  std::unique_lock<std::mutex> lock(mutex);
  never.wait_for(lock, std::chrono::milliseconds(1));
}

absl::Status World::OpenStore() {
  if (store_ != nullptr) return absl::OkStatus();
  SqliteStore::Options options;
  options.readers = 2;
  options.vfs = options_.vfs;
  ASSIGN_OR_RETURN(store_, SqliteStore::Open(database(), clock_, options));
  return absl::OkStatus();
}

absl::Status World::Start() {
  if (scheduler_ != nullptr) return absl::OkStatus();
  RETURN_IF_ERROR(OpenStore());
  ASSIGN_OR_RETURN(const std::vector<Job> jobs, store_->ListJobs(AllJobs()));
  for (const Job& job : jobs) Watch(job.id);
  RETURN_IF_ERROR(MakeDurableFolder(artifacts()));
  Scheduler::Options options;
  options.workers = 1;
  options.storage_retry_us = options_.storage_retry_us;
  options.artifact_folder = artifacts();
  std::unique_ptr<Scheduler> scheduler =
      Scheduler::Create(*store_, engine_, bus_, catalog_, clock_, options);
  RETURN_IF_ERROR(scheduler->Start());
  scheduler_ = std::move(scheduler);
  return absl::OkStatus();
}

absl::Status World::StopScheduler() {
  scheduler_.reset();
  return absl::OkStatus();
}

void World::Stop() {
  scheduler_.reset();
  watched_.clear();
  store_.reset();
}

void World::Watch(JobId id) {
  for (const auto& watched : watched_) {
    if (watched.first == id) return;
  }
  const auto on_event = [this](const std::shared_ptr<const JobEvent>& event) {
    acks_.Add({.kind = Ack::Kind::kEvent,
               .id = event->job_id,
               .number = event->sequence,
               .text = DescribeEvent(*event)});
  };
  watched_.emplace_back(id, bus_.Subscribe(id, {on_event, {}}));
}

JobId World::IdOf(const std::string& name) const {
  for (const Ack& ack : acks_.All()) {
    if (ack.kind == Ack::Kind::kJob && ack.text == name) return ack.id;
  }
  return 0;
}

// A client that has read an event relies on it as one that was told of it.
absl::Status World::See(JobId id) {
  ASSIGN_OR_RETURN(const std::vector<JobEvent> events, store_->ListEvents(id, 0, 1'000'000));
  for (const JobEvent& event : events) {
    acks_.Add({.kind = Ack::Kind::kEvent,
               .id = id,
               .number = event.sequence,
               .text = DescribeEvent(event)});
  }
  return absl::OkStatus();
}

absl::Status World::Submit(const NewJob& job) { return SubmitAtOnce({job}); }

absl::Status World::SubmitAtOnce(const std::vector<NewJob>& jobs) {
  std::vector<absl::StatusOr<CreatedJob>> created(jobs.size(), absl::UnknownError("not asked"));
  std::vector<std::thread> clients;
  for (size_t i = 0; i < jobs.size(); ++i) {
    clients.emplace_back([&, i] {
      created[i] = scheduler_->Submit(jobs[i]);
      if (!created[i].ok()) return;
      acks_.Add({.kind = Ack::Kind::kJob, .id = created[i]->job.id, .text = jobs[i].name});
      for (size_t trial = 0; trial < created[i]->trials.size(); ++trial) {
        acks_.Add({.kind = Ack::Kind::kJob,
                   .id = created[i]->trials[trial],
                   .text = jobs[i].trials[trial].name});
      }
    });
  }
  for (std::thread& client : clients) client.join();
  absl::Status status;
  for (const absl::StatusOr<CreatedJob>& each : created) {
    status.Update(each.status());
    if (!each.ok()) continue;
    Watch(each->job.id);
    for (const JobId trial : each->trials) Watch(trial);
    status.Update(See(each->job.id));
  }
  return status;
}

absl::Status World::AwaitState(const std::string& name, const std::vector<JobState>& states) {
  const JobId id = IdOf(name);
  const int64_t deadline_us = NowUs() + options_.patience_us;
  for (;;) {
    const absl::StatusOr<Job> job = store_->GetJob(id);
    const auto is_in = [&](JobState state) {
      return std::find(states.begin(), states.end(), state) != states.end();
    };
    // One that has ended will come to no other state; how it ended is judged at the end.
    if (job.ok() && (is_in(job->state) || IsTerminal(job->state))) return See(id);
    if (GivesUp(deadline_us)) {
      if (!job.ok()) return job.status();
      return absl::DeadlineExceededError(
          absl::StrCat("job ", id, " (", name, ") is still ", ToAbsl(JobStateName(job->state))));
    }
    Pause();
  }
}

absl::Status World::AwaitEnd(const std::string& name) { return AwaitState(name, {}); }

absl::Status World::AwaitHeld(const std::string& name) {
  const JobId id = IdOf(name);
  const int64_t deadline_us = NowUs() + options_.patience_us;
  while (!engine_.IsHeld(name)) {
    // What the next step asks for may have been done before the cut.
    const absl::StatusOr<Job> job = store_->GetJob(id);
    if (job.ok() && (job->state == JobState::kPaused || IsTerminal(job->state))) break;
    if (GivesUp(deadline_us)) {
      return absl::DeadlineExceededError(absl::StrCat(name, " does not come to its gate"));
    }
    Pause();
  }
  return See(id);
}

absl::Status World::Act(const std::string& name, Action action) {
  const JobId id = IdOf(name);
  const absl::Status done = (scheduler_.get()->*action)(id).status();
  if (absl::IsFailedPrecondition(done)) {
    const absl::StatusOr<Job> job = store_->GetJob(id);
    if (!job.ok() || !IsTerminal(job->state)) return done;  // such as still PAUSING
  } else {
    RETURN_IF_ERROR(done);
  }
  return See(id);
}

absl::Status World::Delete(JobId id) {
  acks_.Add({.kind = Ack::Kind::kDeleting, .id = id});
  const absl::Status deleted = scheduler_->Delete(id);
  if (!deleted.ok() && !absl::IsNotFound(deleted)) return deleted;
  acks_.Add({.kind = Ack::Kind::kDeleted, .id = id});
  return absl::OkStatus();
}

absl::Status World::DeleteAll() {
  // Predictions before their models, sweeps with their trials.
  ASSIGN_OR_RETURN(const std::vector<Job> jobs, store_->ListJobs(AllJobs()));
  for (const Job& job : jobs) RETURN_IF_ERROR(Delete(job.id));
  return absl::OkStatus();
}

}  // namespace anneal
