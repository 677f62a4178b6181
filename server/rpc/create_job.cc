// JobService::CreateJob.
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"
#include "server/rpc/convert.h"
#include "server/rpc/convert_predictions.h"
#include "server/rpc/digest.h"
#include "server/rpc/job_lookup.h"
#include "server/rpc/job_request.h"
#include "server/rpc/job_service.h"
#include "server/rpc/status.h"
#include "server/rpc/utf8.h"
#include "server/scheduler/stored_models.h"
#include "server/spec/needs.h"
#include "server/spec/validated_prediction.h"
#include "server/spec/validated_spec.h"

namespace anneal {
namespace {

void AddTrials(JobId sweep_id, const std::vector<NewTrial>& trials,
               v1::CreateJobResponse& response) {
  TrialPlace place;
  place.sweep_id = sweep_id;
  for (const NewTrial& trial : trials) {
    ++place.number;
    place.settings = trial.settings;
    *response.add_trials() = ToProto(place);
  }
}

JobKind KindOf(const v1::JobSpec& spec) {
  if (spec.has_prediction()) return JobKind::kPrediction;
  switch (spec.search_case()) {
    case v1::JobSpec::kSweep: return JobKind::kSweep;
    case v1::JobSpec::kLrRangeTest: return JobKind::kLearningRateRangeTest;
    case v1::JobSpec::SEARCH_NOT_SET: break;
  }
  return JobKind::kTraining;
}

}  // namespace

absl::StatusOr<v1::CreateJobResponse> JobService::Create(const v1::CreateJobRequest& request) {
  const auto spec_bytes = static_cast<int64_t>(request.spec().ByteSizeLong());
  if (spec_bytes > kMaxSpecBytes) {
    return WithReason(
        absl::ResourceExhaustedError(absl::StrCat("the spec has ", spec_bytes, " bytes; at most ",
                                                  kMaxSpecBytes, " are taken")),
        "SPEC_TOO_LARGE");
  }
  std::vector<Violation> violations;
  NewJob wanted;
  ReadJobRequest(request, wanted, violations);
  v1::CreateJobResponse response;
  std::vector<std::string> devices;
  if (!request.has_spec()) {
    violations.push_back({"spec", "is missing"});
  } else if (request.spec().has_prediction()) {
    PredictionValidation judged =
        ValidatePrediction(request.spec(), StoredModels(store_), catalog_);
    RETURN_IF_ERROR(judged.status);
    std::move(judged.violations.begin(), judged.violations.end(), std::back_inserter(violations));
    if (judged.prediction.has_value()) {
      wanted.model_job_id = judged.prediction->set().model_job_id;
      wanted.needs = NeedsOf(*judged.prediction);
      if (request.validate_only()) {
        v1::PredictionSet* set = response.mutable_job()->mutable_prediction();
        *set = ToProto(judged.prediction->set());
        set->clear_job_id();
      }
      wanted.warnings = std::move(judged.warnings);
      devices.push_back(request.spec().prediction().device());
    }
  } else {
    ValidationResult judged = Validate(request.spec(), catalog_);
    std::move(judged.violations.begin(), judged.violations.end(), std::back_inserter(violations));
    if (judged.spec.has_value()) {
      wanted.warnings = std::move(judged.warnings);
      wanted.needs = NeedsOf(*judged.spec);
      *response.mutable_summary() = judged.spec->summary();
      devices.push_back(request.spec().training().device());
      for (const PlannedTrial& planned : judged.spec->trials()) {
        NewTrial& trial = wanted.trials.emplace_back();
        trial.name = planned.spec.name();
        trial.spec = SerializeDeterministic(planned.spec);
        trial.spec_sha256 = Sha256Hex(trial.spec);
        trial.settings = planned.settings;
        devices.push_back(planned.spec.training().device());
      }
    }
  }
  if (!violations.empty()) return InvalidRequest(violations);
  for (const std::string& device : devices) RETURN_IF_ERROR(CheckDevice(device));

  wanted.name = request.spec().name();
  wanted.spec = SerializeDeterministic(request.spec());
  wanted.spec_sha256 = Sha256Hex(wanted.spec);
  wanted.kind = KindOf(request.spec());

  for (const std::string& warning : wanted.warnings) response.add_warnings(ToUtf8(warning));
  if (request.validate_only()) {
    v1::Job* job = response.mutable_job();
    job->set_name(wanted.name);
    job->set_priority(wanted.priority);
    *job->mutable_spec() = request.spec();
    job->set_spec_sha256(wanted.spec_sha256);
    job->set_kind(static_cast<v1::Job::Kind>(wanted.kind));
    AddTrials(0, wanted.trials, response);
    return response;
  }
  absl::StatusOr<CreatedJob> created = scheduler_.Submit(wanted);
  if (!created.ok()) {
    if (absl::IsAlreadyExists(created.status()))
      return WithReason(created.status(), "REQUEST_ID_REUSED");
    if (absl::IsFailedPrecondition(created.status())) {
      return WithReason(absl::ResourceExhaustedError(created.status().message()), "QUEUE_FULL");
    }
    // The model was deleted since it was judged.
    return AboutJob(request.spec().prediction().job_id(), created.status(), "");
  }
  if (created->job.spec.empty()) created->job.spec = std::move(wanted.spec);
  ASSIGN_OR_RETURN(*response.mutable_job(), view_.Whole(created->job));
  AddTrials(created->job.id, wanted.trials, response);
  return response;
}

absl::Status JobService::CheckDevice(const std::string& device) const {
  const absl::Status checked = engine_.CheckDevice(device);
  return checked.ok() ? checked : WithReason(checked, "DEVICE_UNAVAILABLE");
}

}  // namespace anneal
