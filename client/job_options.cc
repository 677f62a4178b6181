#include "client/job_options.h"

#include <utility>

#include "client/job_file.h"
#include "server/core/status_macros.h"

namespace anneal::client {

void AddJobOptions(CLI::App& command, JobOptions& options) {
  command
      .add_option("FILE", options.file,
                  "The job file, in protobuf text format or JSON (by .json or a leading '{'); - is "
                  "standard input, "
                  "recipe:NAME one that ships (see: anneal recipes)")
      ->required()
      ->type_name("");
  command
      .add_option("--set", options.settings,
                  "Changes a field of the job file: training.epochs=3, "
                  "training.network.layers[1].dense.units=50, "
                  "training.early_stopping={patience: 3}. May be repeated")
      ->type_name("PATH=VALUE")
      ->expected(1)
      ->take_all()
      ->allow_extra_args(false);
  command.add_option("--name", options.name, "The job's name, instead of the file's")
      ->type_name("NAME");
}

absl::StatusOr<v1::JobSpec> LoadJob(Session& session, const JobOptions& options) {
  ASSIGN_OR_RETURN(v1::JobSpec spec,
                   LoadJobFile(options.file, options.settings, *session.environment().in));
  if (!options.name.empty()) {
    if (!IsUtf8(options.name))
      return absl::InvalidArgumentError("--name: " + Escape(options.name) + " is not UTF-8");
    spec.set_name(options.name);
  }
  return spec;
}

absl::Status RequireTraining(const v1::JobSpec& spec, const std::string& verb) {
  if (!spec.has_prediction()) return absl::OkStatus();
  return absl::InvalidArgumentError(verb + ": the job file has a prediction block, and " + verb +
                                    " is of a training; queue the prediction with anneal submit");
}

void PrintWarnings(Session& session, const v1::CreateJobResponse& response) {
  for (const std::string& warning : response.warnings())
    session.err() << "warning: " << Escape(warning) << "\n";
}

}  // namespace anneal::client
