#include <algorithm>
#include <memory>
#include <optional>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "anneal/v1/prediction_service.grpc.pb.h"
#include "client/commands/commands.h"
#include "client/filter_error.h"
#include "client/prediction_csv.h"
#include "client/prediction_table.h"
#include "client/prediction_text.h"

namespace anneal::client {
namespace {

constexpr int64_t kTableLimit = 20;
constexpr int64_t kFirstPageSize = 20;
constexpr int64_t kMaxPageSize = 10'000;
constexpr int64_t kPageBytes = 4 * 1024 * 1024;  // about, so that a page comes soon and fits

struct Options {
  std::string job;
  std::string sort;
  std::string filter;
  std::optional<int64_t> limit;
  bool samples = false;
  std::string format;
};

struct Order {
  std::string measure;   // or image, label, predicted; "" where none is asked for
  std::string order_by;  // for the daemon
};

// What most people want to see first is what the network doubts most.
bool IsLeastFirst(const std::string& measure) {
  static const std::set<std::string> kLeastFirst = {
      "confidence", "margin", "image", "label", "predicted", "deterministic_predicted"};
  return kLeastFirst.contains(measure);
}

absl::StatusOr<Order> ParseSort(const std::string& text) {
  if (text.empty()) return Order{};
  const size_t colon = text.rfind(':');
  const std::string measure = text.substr(0, colon);
  const std::string direction = colon == std::string::npos
                                    ? (IsLeastFirst(measure) ? "asc" : "desc")
                                    : text.substr(colon + 1);
  if (measure.empty() || (direction != "asc" && direction != "desc")) {
    return absl::InvalidArgumentError(
        absl::StrCat("--sort ", Escape(text),
                     ": is not MEASURE, MEASURE:asc or MEASURE:desc, such as entropy:desc"));
  }
  return Order{measure, absl::StrCat(Escape(measure), " ", direction)};
}

// So many images of this set make a page.
int64_t PageSize(const v1::PredictionSet& set, bool samples) {
  const int64_t classes = std::max(1, set.class_names_size());
  int64_t floats = 3 * classes + 20;
  if (samples) floats += classes * std::clamp<int64_t>(set.samples(), 1, 1'000'000);
  return std::clamp<int64_t>(kPageBytes / (floats * 4), 1, kMaxPageSize);
}

// Writes what comes, so that nothing has to be kept.
class Writer {
 public:
  virtual ~Writer() = default;
  // Before the first page.
  virtual void Begin(const v1::PredictionSet& set) = 0;
  virtual void Row(const v1::Prediction& prediction) = 0;
  // After the last: `total` match.
  virtual void End(const v1::PredictionSet& set, int64_t shown, int64_t total) = 0;
};

class TableWriter : public Writer {
 public:
  TableWriter(Session& session, const Options& options, const Order& order)
      : session_(session), has_filter_(!options.filter.empty()), order_(order) {}

  void Begin(const v1::PredictionSet& set) override {
    table_ = std::make_unique<PredictionTable>(set, order_.measure, session_.style());
  }
  void Row(const v1::Prediction& prediction) override {
    if (!has_header_) session_.out() << table_->Header();
    has_header_ = true;
    session_.out() << table_->Row(prediction);
  }
  void End(const v1::PredictionSet& set, int64_t shown, int64_t total) override {
    const std::string images = FormatCount(total) + (total == 1 ? " image" : " images") +
                               (has_filter_ ? (total == 1 ? " that matches" : " that match") : "");
    if (total == 0) {
      session_.out() << "no image" << (has_filter_ ? " matches" : "") << "\n";
    } else {
      session_.out() << "\n"
                     << (shown < total ? FormatCount(shown) + " of " : "") << images
                     << (order_.order_by.empty() ? "" : ", by " + order_.order_by)
                     << (shown < total ? "; --limit 0 shows all" : "") << "\n";
    }
    if (set.stored() < set.images()) {
      session_.out() << FormatCount(set.stored()) << " of " << FormatCount(set.images())
                     << " images are stored\n";
    }
  }

 private:
  Session& session_;
  const bool has_filter_;
  const Order order_;
  std::unique_ptr<PredictionTable> table_;
  bool has_header_ = false;
};

class CsvWriter : public Writer {
 public:
  CsvWriter(Session& session, bool samples) : session_(session), samples_(samples) {}
  void Begin(const v1::PredictionSet& set) override {
    set_ = set;
    session_.out() << (samples_ ? SampleCsvHeader(set) : PredictionCsvHeader(set));
  }
  void Row(const v1::Prediction& prediction) override {
    session_.out() << (samples_ ? SampleCsvRows(set_, prediction)
                                : PredictionCsvRow(set_, prediction));
  }
  void End(const v1::PredictionSet&, int64_t, int64_t) override {}

 private:
  Session& session_;
  const bool samples_;
  v1::PredictionSet set_;
};

class JsonWriter : public Writer {
 public:
  explicit JsonWriter(Session& session) : session_(session) {}
  void Begin(const v1::PredictionSet&) override {}
  void Row(const v1::Prediction& prediction) override { session_.PrintJson(prediction, /*whole=*/true); }
  void End(const v1::PredictionSet&, int64_t, int64_t) override {}

 private:
  Session& session_;
};

std::unique_ptr<Writer> MakeWriter(Session& session, const Options& options, const Order& order,
                                   const std::string& format) {
  if (format == "csv") return std::make_unique<CsvWriter>(session, options.samples);
  if (format == "json") return std::make_unique<JsonWriter>(session);
  return std::make_unique<TableWriter>(session, options, order);
}

int RunPredictions(Session& session, const Options& options) {
  const std::string format = !options.format.empty() ? options.format
                             : session.json()        ? "json"
                                                     : "table";
  const absl::StatusOr<Order> order = ParseSort(options.sort);
  if (!order.ok()) return session.UsageError(order.status());
  if (!IsUtf8(options.filter))
    return session.UsageError(absl::InvalidArgumentError("--filter: is not UTF-8"));
  const int64_t asked = options.limit.value_or(format == "table" ? kTableLimit : 0);
  const int64_t limit = asked == 0 ? INT64_MAX : asked;

  v1::ListPredictionsRequest request;
  request.set_job_id(Escape(options.job));
  request.set_filter(options.filter);
  request.set_order_by(order->order_by);
  request.set_sample_probabilities(options.samples);
  // How much an image takes is known after the first page.
  int64_t page_size = options.samples ? 1 : kFirstPageSize;
  const std::unique_ptr<Writer> writer = MakeWriter(session, options, *order, format);
  int64_t shown = 0;
  bool has_begun = false;
  while (true) {
    request.set_page_size(static_cast<int32_t>(std::min(page_size, limit - shown)));
    v1::ListPredictionsResponse page;
    const grpc::Status status =
        session.Call(&v1::PredictionService::Stub::ListPredictions, request, &page);
    if (!status.ok()) {
      const int code = session.Fail(status);
      session.err() << FilterErrorText(options.filter, status, session.style());
      return code;
    }
    if (!has_begun) {
      NoteResolved(session, request.job_id(), page.set());  // the page tokens keep to it
      if (options.samples && !page.set().keeps_samples()) {
        session.err() << "anneal: job " << Escape(page.set().job_id())
                      << " did not keep its samples; predict again with --keep-samples\n";
        return kExitRefused;
      }
      writer->Begin(page.set());
      has_begun = true;
    }
    for (const v1::Prediction& prediction : page.predictions()) {
      if (shown == limit) break;
      writer->Row(prediction);
      ++shown;
    }
    if (shown == limit || page.next_page_token().empty() || !session.out()) {
      writer->End(page.set(), shown, page.total_size());
      return kExitDone;
    }
    request.set_page_token(page.next_page_token());
    page_size = PageSize(page.set(), options.samples);
  }
}

}  // namespace

void AddPredictions(CLI::App& app, Action& action) {
  auto [command, options] =
      AddVerb<Options>(app, action, "predictions",
                       "Lists what a prediction has stored of each image", RunPredictions);
  command
      ->add_option("JOB", options->job,
                   "The id of a prediction, or of a training: then its newest prediction is meant")
      ->required()
      ->type_name("");
  command
      ->add_option("--sort", options->sort,
                   "By confidence, entropy, expected_entropy, mutual_information, variation_ratio, "
                   "margin, nll, brier, image (the default), label, predicted or "
                   "deterministic_predicted; a measure most doubt first unless :asc or :desc says "
                   "otherwise")
      ->type_name("MEASURE[:asc|desc]");
  command
      ->add_option("--filter", options->filter,
                   "Only images that match, such as 'wrong and mutual_information > 0.3'")
      ->type_name("FILTER");
  command
      ->add_option("--limit", options->limit,
                   "At most so many (default 20 in a table, else all; 0: all)")
      ->type_name("N")
      ->check([](const std::string& given) {
        int64_t limit = 0;
        return absl::SimpleAtoi(given, &limit) && limit >= 0 ? std::string()
                                                             : "a limit is a whole number from 0";
      });
  command->add_flag("--samples", options->samples,
                    "Also every sample, where they were kept (predict --keep-samples): in a table "
                    "their votes, in csv a line each");
  command
      ->add_option(
          "--format", options->format,
          "table (the default); csv at full precision; json, an anneal.v1.Prediction a line")
      ->type_name("table|csv|json")
      ->check(CLI::IsMember(std::set<std::string>{"table", "csv", "json"}));
  command->footer(
      "A table draws each class's probability, the mean over the samples, as a bar. Logarithms are "
      "natural.\n"
      "\n"
      "A filter compares (= != < <= > >=) image, label, predicted, deterministic_predicted (each "
      "with a\n"
      "number or a class's name, in double quotes where it is not one word) or a measure with a "
      "number;\n"
      "wrong and right are words of it, and so are and, or, not, parentheses.\n"
      "\n"
      "csv has the columns job,image,label,label_name,predicted,predicted_name, the measures,\n"
      "deterministic_predicted,deterministic_predicted_name, p_0.. (mean probabilities by class), "
      "std_0..\n"
      "(their standard deviations over the samples), deterministic_p_0.. (without dropout); with "
      "--samples\n"
      "job,image,label,label_name,sample,p_0..\n"
      "\n"
      "Examples:\n"
      "  anneal predictions 8 --sort mutual_information\n"
      "  anneal predictions 8 --filter 'wrong and confidence > 0.9' --sort confidence:desc\n"
      "  anneal predictions 8 --filter 'label = cat and not predicted = dog' --format csv > "
      "cats.csv");
}

}  // namespace anneal::client
