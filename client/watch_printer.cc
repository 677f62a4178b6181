#include "client/watch_printer.h"

#include <ostream>

#include "anneal/v1/job_service.pb.h"
#include "client/job_text.h"
#include "client/progress.h"

namespace anneal::client {
namespace {

constexpr char kClearLine[] = "\r\x1b[K";

void NoteLost(Session& session, const grpc::Status& status) {
  session.err() << "anneal: lost the daemon at " << Escape(session.address().text) << " ("
                << Cause(status) << "); trying again\n"
                << std::flush;
}

void NoteBack(Session& session) { session.err() << "anneal: connected again\n" << std::flush; }

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

class TextPrinter : public FollowSink {
 public:
  TextPrinter(Session& session, const std::string& id, int64_t epochs)
      : session_(session), id_(id), epochs_(epochs) {}
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
        return Line(ResultLine(event.result()));
      case v1::JobEvent::kTrialEnd:
      case v1::JobEvent::KIND_NOT_SET:
        return;  // of a newer daemon
    }
  }

  void OnProgress(const v1::Progress& progress) override {
    if (!session_.environment().out_is_terminal) return;
    session_.out() << "\r" << ProgressLine(progress, session_.style()) << "\x1b[K" << std::flush;
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

  void ClearLive() {
    if (live_) session_.out() << kClearLine << std::flush;
    live_ = false;
  }

  void Line(const std::string& text) {
    ClearLive();
    session_.out() << text << "\n" << std::flush;
  }

  Session& session_;
  const std::string id_;
  const int64_t epochs_;
  bool live_ = false;
};

}  // namespace

std::unique_ptr<FollowSink> MakeWatchPrinter(Session& session, const std::string& id,
                                             int64_t epochs) {
  if (session.json()) return std::make_unique<JsonPrinter>(session);
  return std::make_unique<TextPrinter>(session, id, epochs);
}

int FollowAndPrint(Session& session, const std::string& id, int64_t epochs, bool reached_before) {
  FollowResult result;
  {
    const auto printer = MakeWatchPrinter(session, id, epochs);
    const bool progress = session.environment().out_is_terminal && !session.json();
    result = Follow(session, id, progress, reached_before, *printer);
  }
  if (result.interrupted && !session.out()) return kExitInterrupted;
  if (result.interrupted) {
    session.err() << "anneal: job " << Escape(id) << " goes on; follow it again with: "
                  << session.CommandLine("watch " + Escape(id)) << "\n";
    return kExitInterrupted;
  }
  if (!result.status.ok()) return session.Fail(result.status);
  return result.final.state() == v1::Job::SUCCEEDED ? kExitDone : kExitJobFailed;
}

}  // namespace anneal::client
