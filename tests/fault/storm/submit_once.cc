#include "tests/fault/storm/submit_once.h"

#include <signal.h>
#include <unistd.h>

extern "C" {  // glibc 2.36 does not say so itself
#include <sys/pidfd.h>
}

#include <iostream>
#include <thread>
#include <vector>

namespace anneal::fault {

int SubmitOnce(JobClient& client, const SubmitOptions& options) {
  constexpr JobClient::Milliseconds kPatience{120'000};
  struct Answer {
    grpc::Status status;
    v1::CreateJobResponse response;
  };
  // The process that has this number now, and no later one.
  const int victim = options.kill == 0 ? -1 : pidfd_open(options.kill, 0);
  std::vector<Answer> answers(options.twice ? 2 : 1);
  {
    std::vector<std::jthread> threads;
    for (Answer& answer : answers) {
      threads.emplace_back([&client, &options, &answer, victim] {
        answer.status = client.CreateUntilAnswered(options.request, kPatience, &answer.response);
        // As soon after the acknowledgement as can be: what was acknowledged too early is lost.
        if (answer.status.ok() && victim >= 0) pidfd_send_signal(victim, SIGKILL, nullptr, 0);
      });
    }
  }
  if (victim >= 0) close(victim);
  for (const Answer& answer : answers) {
    if (answer.status.ok()) continue;
    std::cerr << answer.status.error_code() << " " << answer.status.error_message() << "\n";
    return JobClient::MayPass(answer.status) ? 4 : 3;
  }
  std::cout << answers.front().response.job().id() << "\n";
  if (answers.back().response.job().id() == answers.front().response.job().id()) return 0;
  std::cerr << "the same request made job " << answers.back().response.job().id() << " too\n";
  return 1;
}

}  // namespace anneal::fault
