#include "anneal/v1/dataset_service.grpc.pb.h"
#include "client/commands/commands.h"

namespace anneal::client {
namespace {

struct Options {};

int RunList(Session& session, const Options&) {
  v1::ListDatasetsResponse answer;
  const grpc::Status status =
      session.Call(&v1::DatasetService::Stub::ListDatasets, v1::ListDatasetsRequest(), &answer);
  if (!status.ok()) return session.Fail(status);
  if (session.json()) {
    session.PrintJson(answer);
    return kExitDone;
  }
  if (answer.datasets().empty()) {
    session.out() << "no data sets\n";
    return kExitDone;
  }
  Table table;
  table.AddColumn("NAME");
  table.AddColumn("FORMAT");
  table.AddColumn("SHAPE");
  table.AddColumn("CLASSES", Table::Align::kRight);
  table.AddColumn("SPLITS");
  table.AddColumn("LOADED");
  table.AddColumn("SOURCE");
  for (const v1::Dataset& dataset : answer.datasets()) {
    std::string splits;
    for (const v1::Dataset::Split& split : dataset.splits()) {
      splits += (splits.empty() ? "" : ", ") + split.name() + " " + FormatCount(split.samples());
    }
    const std::string source = dataset.source().empty() ? "generated" : dataset.source();
    table.AddRow(
        {dataset.name(), dataset.format(),
         FormatShape({dataset.shape().begin(), dataset.shape().end()}),
         std::to_string(dataset.class_names_size()), splits, dataset.loaded() ? "yes" : "no",
         dataset.error().empty() ? Table::Cell(source)
                                 : Table::Cell(source + ": " + dataset.error(), Color::kRed)});
  }
  session.out() << table.ToString(session.style());
  return kExitDone;
}

}  // namespace

void AddDatasets(CLI::App& app, Action& action) {
  CLI::App* datasets = app.add_subcommand("datasets", "The data sets that the daemon can train on");
  datasets->require_subcommand(1);
  datasets->footer("Example:\n  anneal datasets list");
  auto [command, options] = AddVerb<Options>(*datasets, action, "list", "Lists them", RunList);
  command->footer("Example:\n  anneal datasets list --output json");
}

}  // namespace anneal::client
