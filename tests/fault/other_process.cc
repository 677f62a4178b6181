#include "tests/fault/other_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "server/core/clock.h"
#include "server/core/failpoint.h"
#include "tests/fault/fault_main.h"
#include "tests/fault/scenario.h"

extern char** environ;

namespace anneal {
namespace {

constexpr unsigned kLimitSeconds = 60;

std::string AckFile(const std::string& folder) { return folder + "/acks"; }
std::string ErrorFile(const std::string& folder) { return folder + "/error"; }
std::string PassesFile(const std::string& folder) { return folder + "/passes"; }

ProcessEnd Run(const std::string& what, const std::string& folder, const std::string& failpoints,
               int64_t patience_us) {
  std::remove(PassesFile(folder).c_str());
  std::remove(ErrorFile(folder).c_str());
  std::vector<std::string> arguments = {ThisProgram(), kOtherProcessFlag,           what,
                                        folder,        std::to_string(patience_us), failpoints};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ProcessEnd end;
  pid_t child = 0;
  if (posix_spawn(&child, ThisProgram().c_str(), nullptr, nullptr, argv.data(), environ) != 0) {
    end.error = "the process cannot be started";
    return end;
  }
  int how = 0;
  waitpid(child, &how, 0);
  end.killed = WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL;
  if (WIFEXITED(how)) end.exit_code = WEXITSTATUS(how);
  std::ifstream error(ErrorFile(folder));
  end.error = std::string{std::istreambuf_iterator<char>(error), {}};
  if (WIFSIGNALED(how) && !end.killed) {
    absl::StrAppend(&end.error, "ended by signal ", WTERMSIG(how), ", ", strsignal(WTERMSIG(how)));
  }
  std::ifstream passes(PassesFile(folder));
  std::string name;
  int64_t count = 0;
  while (passes >> name >> count) end.passes[name] = count;
  return end;
}

}  // namespace

ProcessEnd RunInOtherProcess(const std::string& folder, const std::string& failpoints,
                             int64_t patience_us) {
  return Run("run", folder, failpoints, patience_us);
}

ProcessEnd OpenInOtherProcess(const std::string& folder, const std::string& failpoints) {
  return Run("open", folder, failpoints, 0);
}

std::vector<Ack> ReadAcks(const std::string& folder) {
  std::vector<Ack> acks;
  std::ifstream file(AckFile(folder));
  for (std::string line; std::getline(file, line);) {
    if (const std::optional<Ack> ack = ParseAck(line); ack.has_value()) acks.push_back(*ack);
  }
  return acks;
}

int OtherProcessMain(int argc, char** argv) {
  if (argc != 4) return 98;
  const std::string what = argv[0], folder = argv[1], failpoints = argv[3];
  const int64_t patience_us = std::stoll(argv[2]);
  alarm(kLimitSeconds);
  absl::Status status;
  {
    AckLog acks(ReadAcks(folder));
    const int fd = open(AckFile(folder).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    acks.CopyTo(fd);
    World world({.folder = folder, .patience_us = patience_us}, acks);
    CountFailpoints();
    if (!failpoints.empty()) status = ArmFailpoints(failpoints);
    if (status.ok()) status = what == "open" ? world.OpenStore() : world.RunScenario();
    world.Stop();
  }
  std::ofstream passes(PassesFile(folder));
  for (const FailpointInfo& point : kFailpoints) {
    passes << point.name << " " << FailpointPasses(point.name) << "\n";
  }
  if (status.ok()) return 0;
  std::ofstream(ErrorFile(folder)) << status.ToString();
  return 1;
}

}  // namespace anneal
