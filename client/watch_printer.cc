#include "client/watch_printer.h"

#include <algorithm>
#include <ostream>

#include "anneal/v1/job_service.grpc.pb.h"
#include "client/job_text.h"
#include "client/prediction_text.h"
#include "client/progress.h"
#include "client/range_test_text.h"
#include "client/sweep_text.h"

namespace anneal::client {
namespace {

constexpr char kClearLine[] = "\r\x1b[K";

void NoteLost(Session& session, const grpc::Status& status) {
  session.err() << "anneal: lost the daemon at " << Escape(session.address().text) << " ("
                << Cause(status) << "); trying again\n"
                << std::flush;
}

void NoteBack(Session& session) { session.err() << "anneal: connected again\n" << std::flush; }

grpc::Status GetJob(Session& session, const std::string& id, v1::Job* job) {
  v1::GetJobRequest request;
  request.set_id(id);
  return session.Call(&v1::JobService::Stub::GetJob, request, job);
}

class JsonPrinter : public FollowSink {
 public:
  explicit JsonPrinter(Session& session) : session_(session) {}
  void OnEvent(const v1::JobEvent& event) override {
    v1::WatchJobResponse response;
    *response.mutable_event() = event;
    session_.PrintJson(response);
  }
  void OnProgress(const v1::Progress&) override {}
  void OnLost(const grpc::Status& status) override { NoteLost(session_, status); }
  void OnBack() override { NoteBack(session_); }

 private:
  Session& session_;
};

class SilentPrinter : public FollowSink {
 public:
  explicit SilentPrinter(Session& session) : session_(session) {}
  void OnEvent(const v1::JobEvent&) override {}
  void OnProgress(const v1::Progress&) override {}
  void OnLost(const grpc::Status& status) override { NoteLost(session_, status); }
  void OnBack() override { NoteBack(session_); }

 private:
  Session& session_;
};

class TextPrinter : public FollowSink {
 public:
  TextPrinter(Session& session, const std::string& id, const v1::JobSpec& spec)
      : session_(session),
        id_(id),
        epochs_(AskedEpochs(spec)),
        is_range_test_(spec.has_lr_range_test()),
        is_prediction_(spec.has_prediction()),
        has_dropout_(HasDropout(spec.prediction())) {}
  ~TextPrinter() override { ClearLive(); }

  void OnEvent(const v1::JobEvent& event) override {
    switch (event.kind_case()) {
      case v1::JobEvent::kStateChange:
        return Line(StateLine(id_, event.state_change(), session_.style()));
      case v1::JobEvent::kEpoch:
        return Line(EpochLine(event.epoch(), epochs_));
      case v1::JobEvent::kWarning:
        return Line(Paint("warning: " + Escape(event.warning()), Color::kYellow, session_.style()));
      case v1::JobEvent::kResult:
        if (is_range_test_) return;  // has no epochs and no metrics; the curve follows
        if (is_prediction_) return Text(PredictionResultText(event.result(), has_dropout_));
        return Line(ResultLine(event.result()));
      case v1::JobEvent::kTrialEnd:
        FetchRanking(event.trial_end().job_id());
        return Line(TrialEndLine(event.trial_end(), ranking_, session_.style()));
      case v1::JobEvent::kNote:
        return Line(Escape(event.note()));
      case v1::JobEvent::kStateKept:
        return;  // the log has it
      case v1::JobEvent::KIND_NOT_SET:
        return;  // of a newer daemon
    }
  }

  void OnProgress(const v1::Progress& progress) override {
    if (!session_.environment().out_is_terminal) return;
    const Style style = session_.style();
    session_.out() << "\r"
                   << (is_range_test_   ? RangeTestProgressLine(progress, style)
                       : is_prediction_ ? PredictionProgressLine(progress, style)
                                        : ProgressLine(progress, style))
                   << "\x1b[K" << std::flush;
    live_ = true;
  }

  void OnLost(const grpc::Status& status) override {
    ClearLive();
    NoteLost(session_, status);
  }
  void OnBack() override { NoteBack(session_); }

 private:
  static std::string ResultLine(const v1::TrainingResult& result) {
    std::string line = "result";
    if (!result.metrics().empty()) line += "  " + MetricsText(result.metrics());
    line += "  epochs " + std::to_string(result.epochs());
    if (result.best_epoch() > 0) line += "  best epoch " + std::to_string(result.best_epoch());
    return line;
  }

  // Events say that a trial has ended, not how well. One answer serves all the trials that had
  // ended then. Where there is none, the line says less.
  void FetchRanking(const std::string& trial_job_id) {
    const auto& known = ranking_.trials();
    const bool is_known = std::any_of(known.begin(), known.end(), [&](const auto& trial) {
      v1::Job::State state = v1::Job::STATE_UNSPECIFIED;
      return trial.job_id() == trial_job_id && v1::Job::State_Parse(trial.state(), &state) &&
             IsTerminal(state);
    });
    if (is_known) return;
    v1::Job sweep;
    if (GetJob(session_, id_, &sweep).ok()) ranking_ = sweep.sweep_result();
  }

  void ClearLive() {
    if (live_) session_.out() << kClearLine << std::flush;
    live_ = false;
  }

  void Line(const std::string& text) { Text(text + "\n"); }

  // Whole lines.
  void Text(const std::string& text) {
    ClearLive();
    session_.out() << text << std::flush;
  }

  Session& session_;
  const std::string id_;
  const int64_t epochs_;
  const bool is_range_test_;
  const bool is_prediction_;
  const bool has_dropout_;   // of a prediction
  v1::SweepResult ranking_;  // of a sweep, the newest fetched
  bool live_ = false;
};

// What is known of a job that has ended, beyond its events.
std::string ClosingText(Session& session, const std::string& id, const v1::JobSpec& spec,
                        const v1::Job& job) {
  if (spec.has_sweep()) return RankingTable(job.sweep_result(), session.style());
  if (!job.has_lr_range_test_result()) return "";
  return RangeTestText(job.lr_range_test_result(), session.style()) +
         RangeTestAdvice(session.CommandLine("submit FILE --lr-from " + Escape(id)),
                         job.lr_range_test_result());
}

}  // namespace

std::unique_ptr<FollowSink> MakeWatchPrinter(Session& session, const std::string& id,
                                             const v1::JobSpec& spec) {
  if (session.json()) return std::make_unique<JsonPrinter>(session);
  return std::make_unique<TextPrinter>(session, id, spec);
}

std::unique_ptr<FollowSink> MakeSilentPrinter(Session& session) {
  return std::make_unique<SilentPrinter>(session);
}

std::optional<int> CutShort(Session& session, const std::string& id, const FollowResult& result) {
  if (result.interrupted && !session.out()) return kExitInterrupted;
  if (result.interrupted) {
    session.err() << "anneal: job " << Escape(id) << " goes on; follow it again with: "
                  << session.CommandLine("watch " + Escape(id)) << "\n";
    return kExitInterrupted;
  }
  if (!result.status.ok()) return session.Fail(result.status);
  return std::nullopt;
}

int FollowAndPrint(Session& session, const std::string& id, const v1::JobSpec& spec,
                   bool reached_before) {
  FollowResult result;
  {
    const auto printer = MakeWatchPrinter(session, id, spec);
    const bool progress = session.environment().out_is_terminal && !session.json();
    result = Follow(session, id, progress, reached_before, *printer);
  }
  if (const std::optional<int> code = CutShort(session, id, result); code) return *code;
  if ((spec.has_sweep() || spec.has_lr_range_test()) && !session.json()) {
    v1::Job job;
    // It has ended all the same: the exit code tells how.
    if (const grpc::Status status = GetJob(session, id, &job); !status.ok()) {
      session.Fail(status);
    } else if (const std::string text = ClosingText(session, id, spec, job); !text.empty()) {
      session.out() << "\n" << text << std::flush;
    }
  }
  if (result.final.state() != v1::Job::SUCCEEDED) return kExitJobFailed;
  if (spec.has_prediction() && !session.json()) {
    session.out() << "\n" << PredictionAdvice(session, id) << std::flush;
  }
  return kExitDone;
}

}  // namespace anneal::client
