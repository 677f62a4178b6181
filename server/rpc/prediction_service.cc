#include "server/rpc/prediction_service.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/prediction_filter.h"
#include "server/core/status_macros.h"
#include "server/core/strings.h"
#include "server/core/uncertainty.h"
#include "server/rpc/convert_predictions.h"
#include "server/rpc/job_lookup.h"
#include "server/rpc/page_query.h"
#include "server/rpc/page_token.h"
#include "server/rpc/prediction_order.h"
#include "server/rpc/status.h"
#include "server/rpc/unary.h"
#include "server/scheduler/prediction_summary.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

// gRPC's clients take 4 MiB unless they say otherwise; the rest is for what is not rows.
constexpr int64_t kMaxAnswerBytes = 4 << 20;
constexpr int64_t kReservedBytes = 16 << 10;
// Of a single image, where that is more: three quarters of what `anneal` takes.
constexpr int64_t kMaxRowBytes = 48 << 20;

constexpr int64_t kFloatBytes = 4;
constexpr int64_t kOtherRowBytes = 160;  // of a Prediction, at most: everything but the lists

// Where a page ends: the prediction job, what it is sorted by as bits, the image.
constexpr size_t kCursorSize = 3;

absl::Status NoPredictions(std::string_view text) {
  return WithReason(absl::FailedPreconditionError(ToAbsl(text)), "NO_PREDICTIONS");
}

std::string Text(const absl::Status& status) { return std::string(status.message()); }

// The bytes of one image on the wire, at most.
int64_t RowBytes(const PredictionSet& set, bool with_samples) {
  const int64_t samples = with_samples && set.keeps_samples ? set.samples : 0;
  return kOtherRowBytes + kFloatBytes * set.classes() * (3 + samples);
}

double SortedBy(const PredictionRow& row, const PredictionOrder& order) {
  switch (order.by) {
    case PredictionOrder::By::kFact:
      return row.facts[order.column];
    case PredictionOrder::By::kMeasure:
      return static_cast<double>(row.measures[order.column]);
    case PredictionOrder::By::kImage:
      break;
  }
  return static_cast<double>(row.image);
}

}  // namespace

absl::StatusOr<PredictionSet> PredictionService::Find(const std::string& job_id) {
  ASSIGN_OR_RETURN(const JobId id, RequireJobId(job_id));
  const absl::StatusOr<Job> job = store_.GetJob(id);
  if (absl::IsNotFound(job.status())) return JobNotFound(job_id);
  RETURN_IF_ERROR(job.status());
  switch (job->kind) {
    case JobKind::kTraining:
      return FindNewestOf(id);
    case JobKind::kPrediction:
      break;
    case JobKind::kSweep:
    case JobKind::kLearningRateRangeTest:
      return NoPredictions(absl::StrCat("job ", id, " is neither a prediction nor a training"));
  }
  absl::StatusOr<PredictionSet> set = store_.GetPredictionSet(id);
  if (absl::IsNotFound(set.status())) {
    return NoPredictions(absl::StrCat("job ", id, " has no predictions yet; it is ",
                                      ToAbsl(JobStateName(job->state))));
  }
  return set;
}

absl::StatusOr<PredictionSet> PredictionService::FindNewestOf(JobId model_job_id) {
  JobQuery query;
  query.model_job_id = model_job_id;
  query.limit = 100;
  while (true) {
    ASSIGN_OR_RETURN(const std::vector<Job> jobs, store_.ListJobs(query));
    for (const Job& job : jobs) {
      absl::StatusOr<PredictionSet> set = store_.GetPredictionSet(job.id);
      if (absl::IsNotFound(set.status())) continue;
      if (!set.ok() || set->stored > 0) return set;
    }
    if (static_cast<int64_t>(jobs.size()) < query.limit) break;
    query.before_id = jobs.back().id;
  }
  return NoPredictions(absl::StrCat("no prediction by job ", model_job_id,
                                    " has stored anything yet; where it has SUCCEEDED, make one "
                                    "with `anneal predict ", model_job_id, "`"));
}

absl::StatusOr<v1::ListPredictionsResponse> PredictionService::List(
    const v1::ListPredictionsRequest& request) {
  ASSIGN_OR_RETURN(
      const int64_t page_size,
      ResolvePageSize(request.page_size(), kDefaultPredictionsPage, kMaxPredictionsPage));
  const std::string page_query = PageQuery(request);
  std::optional<PredictionCursor> after;
  absl::StatusOr<PredictionSet> set;
  if (request.page_token().empty()) {
    set = Find(request.job_id());
  } else {
    ASSIGN_OR_RETURN(const std::vector<int64_t> cursor,
                     DecodePageToken(page_query, request.page_token(), kCursorSize));
    after.emplace();
    after->value = std::bit_cast<double>(cursor[1]);
    after->image = cursor[2];
    set = store_.GetPredictionSet(cursor[0]);
    if (absl::IsNotFound(set.status())) return JobNotFound(absl::StrCat(cursor[0]));
  }
  RETURN_IF_ERROR(set.status());

  std::vector<Violation> violations;
  const absl::StatusOr<PredictionFilter> filter =
      PredictionFilter::Parse(request.filter(), set->class_names);
  if (!filter.ok()) violations.push_back({"filter", Text(filter.status())});
  const absl::StatusOr<PredictionOrder> order = ParsePredictionOrder(request.order_by());
  if (!order.ok()) violations.push_back({"order_by", Text(order.status())});
  const int64_t row_bytes = RowBytes(*set, request.sample_probabilities());
  if (row_bytes > kMaxRowBytes) {
    violations.push_back({"sample_probabilities",
                          absl::StrCat("those of one image are ", FormatBytes(row_bytes),
                                       "; an answer has at most ", FormatBytes(kMaxRowBytes))});
  }
  if (!violations.empty()) return InvalidRequest(violations);

  v1::ListPredictionsResponse response;
  *response.mutable_set() = ToProto(*set);
  const int64_t room =
      kMaxAnswerBytes - kReservedBytes - static_cast<int64_t>(response.set().ByteSizeLong());
  PredictionQuery query;
  query.job_id = set->job_id;
  query.filter = *filter;
  query.order = *order;
  query.after = after;
  query.limit = std::clamp<int64_t>(room / row_bytes, 1, page_size);
  query.sample_probabilities = request.sample_probabilities();
  absl::StatusOr<PredictionPage> page = store_.ListPredictions(query);
  if (absl::IsNotFound(page.status())) return JobNotFound(absl::StrCat(set->job_id));
  RETURN_IF_ERROR(page.status());
  response.mutable_predictions()->Reserve(static_cast<int>(page->rows.size()));
  for (PredictionRow& row : page->rows) {
    *response.add_predictions() = ToProto(row);
    row.sample_probabilities = {};  // they may be large, and are there twice
  }
  response.set_total_size(page->total);
  if (page->more && !page->rows.empty()) {
    const PredictionRow& last = page->rows.back();
    response.set_next_page_token(EncodePageToken(
        page_query, {set->job_id, std::bit_cast<int64_t>(SortedBy(last, *order)), last.image}));
  }
  return response;
}

absl::StatusOr<v1::Uncertainty> PredictionService::Summarize(
    const v1::GetUncertaintyRequest& request) {
  UncertaintyOptions options;
  std::vector<Violation> violations;
  if (request.bins() < 0 || request.bins() > kMaxCalibrationBins) {
    violations.push_back(
        {"bins", absl::StrCat("must be from 1 to ", kMaxCalibrationBins, ", is ", request.bins())});
  } else if (request.bins() != 0) {
    options.bins = request.bins();
  }
  if (!request.rank_by().empty()) {
    const std::optional<Measure> measure = ParseMeasure(request.rank_by());
    if (measure.has_value() && IsKnownWithoutLabel(*measure)) {
      options.rank_by = *measure;
    } else {
      std::string text = absl::StrCat("is ", Quote(request.rank_by()),
                                      measure.has_value() ? ", which needs the label" : "",
                                      "; images can be ranked by");
      for (const Measure known : kAllMeasures) {
        if (!IsKnownWithoutLabel(known)) continue;
        absl::StrAppend(&text, known == kAllMeasures[0] ? " " : ", ", ToAbsl(MeasureName(known)));
      }
      violations.push_back({"rank_by", text});
    }
  }
  if (!violations.empty()) return InvalidRequest(violations);
  ASSIGN_OR_RETURN(const PredictionSet set, Find(request.job_id()));
  if (set.samples == 0 && NeedsSamples(options.rank_by)) {
    return InvalidRequest(
        "rank_by",
        absl::StrCat("is ", Quote(request.rank_by()), ", which compares samples; job ", set.job_id,
                     " predicted without: use confidence, entropy or margin"));
  }
  const absl::StatusOr<Uncertainty> uncertainty = SummarizePredictions(store_, set.job_id, options);
  if (absl::IsNotFound(uncertainty.status())) return JobNotFound(absl::StrCat(set.job_id));
  if (absl::IsFailedPrecondition(uncertainty.status())) {
    return NoPredictions(Text(uncertainty.status()));
  }
  RETURN_IF_ERROR(uncertainty.status());
  return ToProto(*uncertainty);
}

grpc::ServerUnaryReactor* PredictionService::ListPredictions(
    grpc::CallbackServerContext* context, const v1::ListPredictionsRequest* request,
    v1::ListPredictionsResponse* response) {
  return Reply(context, response, List(*request));
}

grpc::ServerUnaryReactor* PredictionService::GetUncertainty(
    grpc::CallbackServerContext* context, const v1::GetUncertaintyRequest* request,
    v1::Uncertainty* response) {
  return Reply(context, response, Summarize(*request));
}

}  // namespace anneal
