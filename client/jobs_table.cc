#include "client/jobs_table.h"

#include <algorithm>
#include <ctime>
#include <limits>

#include "client/job_text.h"
#include "client/progress.h"
#include "client/queue_text.h"

namespace anneal::client {
namespace {

constexpr int kNameColumns = 40;
constexpr int kFewLabelColumns = 12;   // fewer say nothing
constexpr int kSomeLabelColumns = 20;  // where labels are asked for

// What says most about how good a job is.
std::string BestKnownMetric(const v1::Job& job) {
  if (job.kind() == v1::Job::LR_RANGE_TEST) return "";  // a mean over all learning rates
  const auto& metrics = job.progress().metrics();
  for (const char* name : {"val_accuracy", "val_loss", "accuracy", "loss"}) {
    for (const v1::Metric& metric : metrics) {
      if (metric.name() == name) return metric.name() + " " + FormatMetric(metric.value());
    }
  }
  return "";
}

// From the start to the end, or to now.
std::string RunTime(const v1::Job& job, int64_t now_us) {
  if (!job.has_start_time()) return "";
  const int64_t end_us = job.has_end_time() ? TimestampUs(job.end_time()) : now_us;
  return FormatDuration(end_us - TimestampUs(job.start_time()));
}

// "3/30", or "3" where it is not said how many were asked; of a prediction "512/10,000 images".
std::string ProgressText(const v1::Job& job) {
  if (job.kind() == v1::Job::LR_RANGE_TEST) return "";
  const v1::Progress& progress = job.progress();
  if (job.kind() == v1::Job::PREDICTION) {
    if (progress.batches() == 0) return "";
    return FormatCount(progress.batch()) + "/" + FormatCount(progress.batches()) + " images";
  }
  if (progress.epochs() == 0) return progress.epoch() > 0 ? std::to_string(progress.epoch()) : "";
  return std::to_string(progress.epoch()) + "/" + std::to_string(progress.epochs());
}

// "sweep", "trial of 7", "lr range test", "prediction"
std::string KindText(const v1::Job& job) {
  if (job.has_trial()) return "trial of " + job.trial().sweep_id();
  if (job.kind() == v1::Job::LR_RANGE_TEST) return "lr range test";
  if (job.kind() == v1::Job::PREDICTION) return "prediction";
  return job.kind() == v1::Job::SWEEP ? "sweep" : "";
}

// What is shown, and how wide it may be.
struct Layout {
  int name_columns = kNameColumns;
  int owner_columns = kNameColumns;
  int state_columns = std::numeric_limits<int>::max();
  bool whole_times = true;
  bool created = true;
  bool metric = true;
  bool ran = true;
};

// What gives way, step by step, until the table is narrow enough.
std::vector<Layout> Layouts() {
  std::vector<Layout> layouts;
  Layout layout;
  layouts.push_back(layout);
  layout.whole_times = false;
  layouts.push_back(layout);
  layout.name_columns = 24;
  layout.owner_columns = 12;
  layouts.push_back(layout);
  layout.created = false;
  layouts.push_back(layout);
  layout.state_columns = 25;  // of "SUCCEEDED (EARLY_STOPPED)"
  layouts.push_back(layout);
  layout.name_columns = 16;
  layout.state_columns = 20;  // of "QUEUED #3, in 12 min"
  layouts.push_back(layout);
  layout.metric = false;
  layouts.push_back(layout);
  layout.ran = false;
  layouts.push_back(layout);
  return layouts;
}

// "11-14 22:13", local time; of another year than it is now "2023-11-14".
std::string ShortTime(const google::protobuf::Timestamp& time, int64_t now_us) {
  const std::string whole = FormatTime(time);
  if (whole.size() != std::string("2023-11-14 22:13:20").size()) return whole;
  google::protobuf::Timestamp now;
  now.set_seconds(now_us / 1'000'000);
  return whole.substr(0, 4) == FormatTime(now).substr(0, 4) ? whole.substr(5, 11)
                                                            : whole.substr(0, 10);
}

class JobsTableMaker {
 public:
  JobsTableMaker(const v1::ListJobsResponse& answer, int64_t now_us, const Style& style)
      : jobs_(answer.jobs()),
        now_us_(now_us),
        style_(style),
        has_progress_(Any([](const v1::Job& job) { return job.has_progress(); })),
        has_kinds_(Any([](const v1::Job& job) { return !KindText(job).empty(); })),
        has_images_(Any([](const v1::Job& job) {
          return job.kind() == v1::Job::PREDICTION && job.has_progress();
        })),
        has_owners_(Any([&](const v1::Job& job) { return job.owner() != jobs_[0].owner(); })),
        has_labels_(Any([](const v1::Job& job) { return !job.labels().empty(); })) {}

  bool has_labels() const { return has_labels_; }

  // `label_columns`: 0 for none.
  Table Make(const Layout& layout, int label_columns) const {
    const bool metric = has_progress_ && layout.metric;
    Table table;
    table.AddColumn("ID", Table::Align::kRight);
    table.AddColumn("NAME");
    if (has_owners_) table.AddColumn("OWNER");
    if (has_kinds_) table.AddColumn("KIND");
    table.AddColumn("STATE");
    if (has_progress_) table.AddColumn(has_images_ ? "PROGRESS" : "EPOCH", Table::Align::kRight);
    if (metric) table.AddColumn("METRIC");
    if (layout.created) table.AddColumn("CREATED");
    if (layout.ran) table.AddColumn("RAN", Table::Align::kRight);
    if (label_columns > 0) table.AddColumn("LABELS");
    for (const v1::Job& job : jobs_) {
      std::vector<Table::Cell> row;
      row.emplace_back(job.id());
      row.emplace_back(Shorten(Escape(job.name()), layout.name_columns, style_));
      if (has_owners_) row.emplace_back(Shorten(Escape(job.owner()), layout.owner_columns, style_));
      if (has_kinds_) row.emplace_back(KindText(job));
      row.emplace_back(Shorten(QueueStateText(job, now_us_), layout.state_columns, style_),
                       IsDeadlineNear(job, now_us_) ? Color::kYellow : StateColor(job.state()));
      if (has_progress_) row.emplace_back(ProgressText(job));
      if (metric) row.emplace_back(BestKnownMetric(job));
      if (layout.created) {
        row.emplace_back(layout.whole_times ? FormatTime(job.create_time())
                                            : ShortTime(job.create_time(), now_us_));
      }
      if (layout.ran) row.emplace_back(RunTime(job, now_us_));
      if (label_columns > 0) row.emplace_back(Shorten(LabelsText(job), label_columns, style_));
      table.AddRow(std::move(row));
    }
    return table;
  }

 private:
  template <typename Predicate>
  bool Any(const Predicate& predicate) const {
    return std::any_of(jobs_.begin(), jobs_.end(), predicate);
  }

  const google::protobuf::RepeatedPtrField<v1::Job>& jobs_;
  const int64_t now_us_;
  const Style& style_;
  const bool has_progress_;
  const bool has_kinds_;
  const bool has_images_;
  const bool has_owners_;
  const bool has_labels_;
};

}  // namespace

std::string JobsTable(const v1::ListJobsResponse& answer, int64_t now_us,
                      const JobsTableOptions& options, const Style& style) {
  const JobsTableMaker maker(answer, now_us, style);
  if (options.unbounded) {
    return maker.Make({}, maker.has_labels() ? std::numeric_limits<int>::max() : 0).ToString(style);
  }
  const std::vector<Layout> layouts = Layouts();
  const bool wants_labels = options.labels && maker.has_labels();
  for (const Layout& layout : layouts) {
    const bool is_first = &layout == &layouts.front();
    const bool is_last = &layout == &layouts.back();
    const Table table = maker.Make(layout, 0);
    const int room = style.columns - table.Width() - Table::kGap;
    if (wants_labels && (is_last || room >= kSomeLabelColumns))
      return maker.Make(layout, std::max(room, kFewLabelColumns)).ToString(style);
    if (!wants_labels && (is_last || room + Table::kGap >= 0)) {
      if (is_first && maker.has_labels() && room >= kFewLabelColumns)
        return maker.Make(layout, room).ToString(style);
      return table.ToString(style);
    }
  }
  return "";
}

}  // namespace anneal::client
