// fault_client: what the fault tests need of a client and `anneal` does not offer, on purpose.
#include <google/protobuf/text_format.h>

#include <CLI/CLI.hpp>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>

#include "tests/fault/storm/job_client.h"
#include "tests/fault/storm/list_page.h"
#include "tests/fault/storm/submit_once.h"
#include "tests/fault/storm/submit_storm.h"

namespace {

// A job file in text format.
bool ReadJob(const std::string& path, anneal::v1::JobSpec* job) {
  std::ifstream file(path);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (file && google::protobuf::TextFormat::ParseFromString(text, job)) return true;
  std::cerr << path << " is no job file\n";
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("A client for fault tests.");
  app.require_subcommand(1);
  std::string address;
  app.add_option("--server", address, "unix:PATH or HOST:PORT")->required();

  std::string job_file;
  anneal::fault::SubmitOptions submit;
  std::string request_id;
  std::string name;
  int32_t priority = 0;
  CLI::App* submit_command = app.add_subcommand("submit", "One job");
  submit_command->add_option("JOB_FILE", job_file)->required();
  submit_command->add_option("--request-id", request_id)->required();
  submit_command->add_option("--name", name, "The job's name, instead of the file's");
  submit_command->add_option("--priority", priority);
  submit_command->add_option("--kill", submit.kill, "kill -9 this process at the acknowledgement");
  submit_command->add_flag("--twice", submit.twice, "From two threads at once");

  anneal::fault::StormOptions storm;
  CLI::App* storm_command = app.add_subcommand("storm", "Many jobs");
  storm_command->add_option("JOB_FILE", job_file)->required();
  storm_command->add_option("--submits", storm.submits)->check(CLI::PositiveNumber);
  storm_command->add_option("--threads", storm.threads)->check(CLI::PositiveNumber);
  storm_command->add_option("--seed", storm.seed);
  storm_command->add_option("--priority", storm.priority);

  anneal::fault::PageOptions page;
  CLI::App* page_command = app.add_subcommand("page", "How long ListJobs takes");
  page_command->add_option("--size", page.size);
  page_command->add_option("--calls", page.calls)->check(CLI::PositiveNumber);

  CLI11_PARSE(app, argc, argv);

  anneal::fault::JobClient client(address);
  if (page_command->parsed()) return ListPage(client, page);
  if (storm_command->parsed()) {
    return ReadJob(job_file, &storm.job) ? SubmitStorm(client, storm) : 2;
  }
  anneal::v1::JobSpec* spec = submit.request.mutable_spec();
  if (!ReadJob(job_file, spec)) return 2;
  if (!name.empty()) spec->set_name(name);
  submit.request.set_request_id(request_id);
  submit.request.set_priority(priority);
  return SubmitOnce(client, submit);
}
