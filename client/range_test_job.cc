#include "client/range_test_job.h"

#include "absl/strings/str_cat.h"
#include "anneal/v1/job_service.grpc.pb.h"
#include "client/job_text.h"
#include "client/range_test_text.h"
#include "client/set_field.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/util/message_differencer.h"
#include "proto/set_field.h"
#include "server/core/strings.h"

namespace anneal::client {
namespace {

constexpr int64_t kDefaultBatchSize = 32;  // training.proto

int Usage(Session& session, const std::string& option, const std::string& what) {
  return session.UsageError(absl::InvalidArgumentError(absl::StrCat(option, ": ", what)));
}

int Refused(Session& session, const std::string& option, const std::string& what) {
  session.err() << "anneal: " << option << ": " << what << "\n";
  return kExitRefused;
}

// "nadam", or "" where no optimizer is chosen.
std::string OptimizerName(const v1::JobSpec& spec) {
  const v1::Optimizer& optimizer = spec.training().optimizer();
  const auto* kind = v1::Optimizer::descriptor()->FindOneofByName("kind");
  const auto* chosen = optimizer.GetReflection()->GetOneofFieldDescriptor(optimizer, kind);
  return chosen == nullptr ? "" : chosen->name();
}

int64_t BatchSize(const v1::TrainingSpec& training) {
  return training.has_batch_size() ? training.batch_size() : kDefaultBatchSize;
}

// Whether `setting` alone, as after --set, gives the field at `path` a value.
bool Sets(const std::string& setting, const std::string& path) {
  v1::JobSpec empty;
  return SetField(empty, setting).ok() && HasField(empty, path);
}

// The sweep's path that sets what is at `path`, or "".
std::string SweptPath(const v1::Sweep& sweep, const std::string& path) {
  const auto covers = [&](const std::string& swept) {
    return path == swept || path.starts_with(swept + ".");
  };
  for (const auto& parameter : sweep.grid().parameters())
    if (covers(parameter.path())) return parameter.path();
  for (const auto& parameter : sweep.random().parameters())
    if (covers(parameter.path())) return parameter.path();
  return "";
}

// "another optimizer (sgd, not nadam) and another network", or "".
std::string Differences(const v1::JobSpec& tested, const v1::JobSpec& spec) {
  std::vector<std::string> found;
  if (OptimizerName(tested) != OptimizerName(spec)) {
    found.push_back("another optimizer (" + Escape(OptimizerName(tested)) + ", not " +
                    OptimizerName(spec) + ")");
  }
  if (!google::protobuf::util::MessageDifferencer::Equals(tested.training().network(),
                                                          spec.training().network())) {
    found.emplace_back("another network");
  }
  const int64_t batch_size = BatchSize(tested.training());
  if (batch_size != BatchSize(spec.training())) {
    found.push_back("another batch size (" + std::to_string(batch_size) + ", not " +
                    std::to_string(BatchSize(spec.training())) + ")");
  }
  std::string text;
  for (size_t i = 0; i < found.size(); ++i)
    text += (i == 0 ? "" : i + 1 == found.size() ? " and " : ", ") + found[i];
  return text;
}

}  // namespace

int FetchRangeTest(Session& session, const std::string& option, const std::string& id,
                   v1::Job* job) {
  v1::GetJobRequest request;
  request.set_id(Escape(id));
  const grpc::Status status = session.Call(&v1::JobService::Stub::GetJob, request, job);
  if (!status.ok()) return session.Fail(status);
  const std::string name = "job " + Escape(id);
  if (!job->spec().has_lr_range_test()) {
    return Usage(session, option,
                 name + " is no learning-rate range test; anneal lr-find FILE makes one");
  }
  if (job->has_lr_range_test_result()) return kExitDone;
  if (!IsTerminal(job->state())) {
    return Refused(session, option,
                   name + " is " + StateName(job->state()) +
                       "; wait for its end with: " + session.CommandLine("watch " + Escape(id)));
  }
  v1::JobEvent::StateChange change;
  change.set_state(job->state());
  change.set_stop_reason(job->stop_reason());
  return Refused(session, option,
                 StateLine(id, change, {}) + " and has no curve" +
                     (job->message().empty() ? "" : ": " + Escape(job->message())));
}

void AddLearningRateFrom(CLI::App& command, std::optional<std::string>& lr_from) {
  command
      .add_option("--lr-from", lr_from,
                  "Trains with the learning rate that a range test (see: anneal lr-find) suggests: "
                  "steepest, valley (the default) or minimum_tenth")
      ->type_name("JOB[:SUGGESTION]");
}

int ApplyLearningRateFrom(Session& session, const std::optional<std::string>& lr_from,
                          const std::vector<std::string>& settings, v1::JobSpec& spec) {
  if (!lr_from) return kExitDone;
  const std::string option = "--lr-from " + Escape(*lr_from);
  const size_t colon = lr_from->find(':');
  const std::string id = lr_from->substr(0, colon);
  const std::string name =
      colon == std::string::npos ? std::string(kDefaultSuggestion) : lr_from->substr(colon + 1);
  const Suggestion* suggestion = FindSuggestion(name);
  if (id.empty()) return Usage(session, option, "the job's id is missing, such as 7 or 7:steepest");
  if (suggestion == nullptr) {
    return Usage(
        session, option,
        "there is no suggestion \"" + Escape(name) + "\"; there are: " + SuggestionNames());
  }
  const std::string optimizer = OptimizerName(spec);
  if (optimizer.empty()) {
    return Usage(session, option,
                 "the job file has no optimizer whose learning rate could be set; add one, such as "
                 "optimizer { nadam {} }");
  }
  const std::string path = "training.optimizer." + optimizer + ".learning_rate";
  for (const std::string& setting : settings) {
    if (Sets(setting, path)) {
      return Usage(
          session, option,
          "--set " + Escape(setting) + " sets the learning rate too; leave one of them out");
    }
  }
  if (const std::string swept = SweptPath(spec.sweep(), path); !swept.empty()) {
    return Usage(session, option,
                 "the sweep tries values of " + Escape(swept) + " itself; leave one of them out");
  }

  v1::Job job;
  if (const int code = FetchRangeTest(session, option, id, &job); code != kExitDone) return code;
  const std::optional<double> value = suggestion->In(job.lr_range_test_result());
  if (!value) {
    std::string others;
    for (const Suggestion& other : kSuggestions) {
      if (other.In(job.lr_range_test_result()))
        others += (others.empty() ? "" : ", ") + std::string(other.name);
    }
    return Refused(
        session, option,
        "job " + Escape(id) + " has no such suggestion; it has: " +
            (others.empty() ? "none, as its curve is too short or never falls" : others));
  }
  const std::string learning_rate = FormatLearningRate(*value);
  if (const absl::Status set = anneal::SetField(spec, path, learning_rate); !set.ok())
    return Usage(session, option, Escape(std::string(set.message())));
  session.err() << "learning rate " << learning_rate << " from job " << Escape(id) << " (" << name
                << ")\n";
  if (const std::string differences = Differences(job.spec(), spec); !differences.empty()) {
    session.err() << "warning: job " << Escape(id) << " tested " << differences
                  << "; its learning rate may not suit this one\n";
  }
  if (spec.has_lr_range_test()) {
    spec.clear_lr_range_test();
    session.err() << "the job file's lr_range_test block is left out: this is the training\n";
  }
  return kExitDone;
}

}  // namespace anneal::client
