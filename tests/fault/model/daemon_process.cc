#include "tests/fault/model/daemon_process.h"

#include <fcntl.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"
#include "tests/fault/model/shared_clock.h"
#include "tests/fault/model/wait.h"

extern char** environ;

namespace anneal::model {
namespace {

constexpr char kThisProgram[] = "/proc/self/exe";

void CloseBoth(const std::array<int, 2>& pipe) {
  close(pipe[0]);
  close(pipe[1]);
}

std::string HowItEnded(int status) {
  if (WIFSIGNALED(status)) return absl::StrCat("was ended by signal ", WTERMSIG(status));
  return absl::StrCat("ended with exit code ", WEXITSTATUS(status));
}

}  // namespace

DaemonProcess::~DaemonProcess() {
  if (pid_ > 0) (void)Kill();
}

std::string DaemonProcess::SocketPath(int64_t number) const {
  // Each has its own, so that no client reaches another process than the one it means.
  return absl::StrCat(serve_.folder, "/socket-", number);
}

absl::Status DaemonProcess::Spawn(int64_t number) {
  std::array<int, 2> input{};
  std::array<int, 2> output{};
  if (pipe2(input.data(), O_CLOEXEC) != 0) return absl::InternalError("no pipe");
  if (pipe2(output.data(), O_CLOEXEC) != 0) {
    CloseBoth(input);
    return absl::InternalError("no pipe");
  }
  std::vector<std::string> arguments = {kThisProgram,
                                        "--serve",
                                        serve_.folder,
                                        "--socket",
                                        SocketPath(number),
                                        "--workers",
                                        absl::StrCat(serve_.workers),
                                        "--haste",
                                        absl::StrCat(serve_.haste),
                                        "--generation",
                                        absl::StrCat(number)};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, input[0], STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, output[1], STDOUT_FILENO);
  posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, OutputPath().c_str(),
                                   O_WRONLY | O_CREAT | O_APPEND, 0600);
  Generation generation;
  generation.number = number;
  generation.start_us = SharedNowUs();
  const int error = posix_spawn(&pid_, kThisProgram, &actions, nullptr, argv.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  close(input[0]);
  close(output[1]);
  if (error != 0) {
    pid_ = -1;
    close(input[1]);
    close(output[0]);
    return absl::InternalError(
        absl::StrCat("cannot start ", kThisProgram, ": ", std::strerror(error)));
  }
  stdin_ = input[1];
  stdout_ = output[0];
  const MutexLock lock(mutex_);
  generations_.push_back(generation);
  return absl::OkStatus();
}

absl::Status DaemonProcess::AwaitReady() const {
  pollfd readable{.fd = stdout_, .events = POLLIN, .revents = 0};
  const int64_t give_up_us = SharedNowUs() + patience_us_;
  int found = 0;
  do {
    const int64_t left_us = give_up_us - SharedNowUs();
    found = poll(&readable, 1, left_us > 0 ? static_cast<int>(left_us / 1000) + 1 : 0);
  } while (found < 0 && errno == EINTR);
  if (found == 0) return absl::DeadlineExceededError("the daemon does not get ready");
  char line = 0;
  if (read(stdout_, &line, 1) == 1) return absl::OkStatus();
  return absl::InternalError("the daemon ended before it was ready");
}

absl::Status DaemonProcess::Publish() {
  RETURN_IF_ERROR(AwaitReady());
  const MutexLock lock(mutex_);
  Generation& newest = generations_.back();
  newest.ready_us = SharedNowUs();
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  connection_ = std::make_shared<Connection>();
  connection_->generation = newest.number;
  connection_->jobs = v1::JobService::NewStub(
      grpc::CreateCustomChannel(absl::StrCat("unix:", SocketPath(newest.number)),
                                grpc::InsecureChannelCredentials(), arguments));
  killing_ = false;
  changed_.NotifyAll();
  return absl::OkStatus();
}

absl::Status DaemonProcess::Start() {
  RETURN_IF_ERROR(Spawn(0));
  return Publish();
}

absl::Status DaemonProcess::Kill() {
  {
    const MutexLock lock(mutex_);
    killing_ = true;
    connection_ = nullptr;
  }
  int status = 0;
  const bool had_ended = waitpid(pid_, &status, WNOHANG) == pid_;
  if (!had_ended) {
    kill(pid_, SIGKILL);
    waitpid(pid_, &status, 0);
  }
  pid_ = -1;
  close(stdin_);
  close(stdout_);
  const MutexLock lock(mutex_);
  generations_.back().killed_us = SharedNowUs();
  if (!had_ended) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("the daemon ", HowItEnded(status), " before it was killed"));
}

absl::Status DaemonProcess::StartAgain(int64_t kill_after_us) {
  int64_t number = 0;
  {
    const MutexLock lock(mutex_);
    number = static_cast<int64_t>(generations_.size());
  }
  RETURN_IF_ERROR(Spawn(number));
  if (kill_after_us >= 0) {
    SpinUntil(SharedNowUs() + kill_after_us);
    RETURN_IF_ERROR(Kill());
    RETURN_IF_ERROR(Spawn(number + 1));
  }
  return Publish();
}

std::shared_ptr<Connection> DaemonProcess::Connect() {
  const int64_t give_up_us = SharedNowUs() + 2 * patience_us_;
  const MutexLock lock(mutex_);
  while (connection_ == nullptr && !failed_) {
    const int64_t left_us = give_up_us - SharedNowUs();
    if (left_us <= 0) return nullptr;
    changed_.WaitFor(mutex_, std::chrono::microseconds(left_us));
  }
  return failed_ ? nullptr : connection_;
}

bool DaemonProcess::IsKilled(int64_t generation) const {
  const MutexLock lock(mutex_);
  return killing_ || generation != generations_.back().number;
}

void DaemonProcess::Fail() {
  const MutexLock lock(mutex_);
  failed_ = true;
  changed_.NotifyAll();
}

bool DaemonProcess::failed() const {
  const MutexLock lock(mutex_);
  return failed_;
}

std::shared_ptr<Connection> DaemonProcess::ConnectAfterFailure() const {
  const MutexLock lock(mutex_);
  return connection_;
}

std::vector<Generation> DaemonProcess::Generations() const {
  const MutexLock lock(mutex_);
  return generations_;
}

std::string DaemonProcess::Output() const {
  constexpr size_t kShown = 4000;
  std::ifstream in(OutputPath());
  std::ostringstream text;
  text << in.rdbuf();
  std::string all = std::move(text).str();
  return all.size() > kShown ? all.substr(all.size() - kShown) : all;
}

}  // namespace anneal::model
