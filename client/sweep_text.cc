#include "client/sweep_text.h"

#include <algorithm>
#include <string_view>

#include "client/job_text.h"

namespace anneal::client {
namespace {

constexpr int kSettingColumns = 40;

// The end of `path` from its part number `parts` from the right on; all of it where it has fewer.
std::string_view LastParts(std::string_view path, int parts) {
  size_t begin = path.size();
  for (; parts > 0; --parts) {
    const size_t dot = begin == 0 ? std::string_view::npos : path.rfind('.', begin - 1);
    if (dot == std::string_view::npos) return path;
    begin = dot;
  }
  return path.substr(begin + 1);
}

v1::Job::State ParseState(const std::string& name) {
  v1::Job::State state = v1::Job::STATE_UNSPECIFIED;
  v1::Job::State_Parse(name, &state);
  return state;
}

std::vector<std::string> PathsOf(
    const google::protobuf::RepeatedPtrField<v1::TrialSetting>& settings) {
  std::vector<std::string> paths;
  for (const v1::TrialSetting& setting : settings) paths.push_back(setting.path());
  return paths;
}

}  // namespace

std::vector<std::string> ShortNames(const std::vector<std::string>& paths) {
  std::vector<std::string> names;
  for (const std::string& path : paths) {
    int parts = 0;
    std::string_view name;
    bool shared = true;
    while (shared && name.size() < path.size()) {
      name = LastParts(path, ++parts);
      shared = std::any_of(paths.begin(), paths.end(), [&](const std::string& other) {
        return other != path && LastParts(other, parts) == name;
      });
    }
    names.emplace_back(name);
  }
  return names;
}

std::string SettingsText(const google::protobuf::RepeatedPtrField<v1::TrialSetting>& settings) {
  const std::vector<std::string> names = ShortNames(PathsOf(settings));
  std::string text;
  for (int i = 0; i < settings.size(); ++i) {
    text += (i == 0 ? "" : "  ") + Escape(names[static_cast<size_t>(i)]) + "=" +
            Escape(settings[i].value());
  }
  return text;
}

std::string TrialEndLine(const v1::JobEvent::TrialEnd& end, const v1::SweepResult& result,
                         const Style& style) {
  std::string line = "trial " + std::to_string(end.trial()) + " (job " + Escape(end.job_id()) +
                     ") is " + Paint(StateName(end.state()), StateColor(end.state()), style);
  for (const v1::SweepResult::RankedTrial& trial : result.trials()) {
    if (trial.job_id() != end.job_id()) continue;
    if (!trial.settings().empty()) line += "  " + SettingsText(trial.settings());
    if (trial.has_best()) {
      line += "  best " + Escape(result.monitor()) + " " + FormatMetric(trial.best()) +
              " in epoch " + std::to_string(trial.best_epoch());
    }
  }
  return line;
}

std::string RankingTable(const v1::SweepResult& result, const Style& style) {
  std::vector<std::string> paths;
  if (!result.trials().empty()) paths = PathsOf(result.trials(0).settings());
  Table table;
  table.AddColumn("RANK", Table::Align::kRight);
  table.AddColumn("TRIAL", Table::Align::kRight);
  table.AddColumn("JOB", Table::Align::kRight);
  table.AddColumn("STATE");
  for (const std::string& name : ShortNames(paths)) table.AddColumn(Escape(name));
  table.AddColumn(Escape(result.monitor()), Table::Align::kRight);
  table.AddColumn("EPOCH", Table::Align::kRight);
  for (const v1::SweepResult::RankedTrial& trial : result.trials()) {
    std::vector<Table::Cell> row;
    row.emplace_back(trial.rank() > 0 ? std::to_string(trial.rank()) : "");
    row.emplace_back(std::to_string(trial.number()));
    row.emplace_back(trial.job_id());
    row.emplace_back(trial.state(), StateColor(ParseState(trial.state())));
    for (size_t i = 0; i < paths.size(); ++i) {
      const int index = static_cast<int>(i);
      row.emplace_back(index < trial.settings_size()
                           ? Shorten(Escape(trial.settings(index).value()), kSettingColumns, style)
                           : "");
    }
    row.emplace_back(trial.has_best() ? FormatMetric(trial.best()) : "");
    row.emplace_back(trial.has_best() ? std::to_string(trial.best_epoch()) : "");
    table.AddRow(std::move(row));
  }
  return table.ToString(style);
}

std::string EndedText(const v1::SweepResult& result) {
  const auto ended =
      std::count_if(result.trials().begin(), result.trials().end(),
                    [](const auto& trial) { return IsTerminal(ParseState(trial.state())); });
  return std::to_string(ended) + " of " + std::to_string(result.trials_size()) +
         " trials have ended";
}

}  // namespace anneal::client
