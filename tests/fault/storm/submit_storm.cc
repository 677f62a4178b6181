#include "tests/fault/storm/submit_storm.h"

#include <google/protobuf/util/message_differencer.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iostream>
#include <map>
#include <mutex>
#include <random>
#include <set>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"

namespace anneal::fault {
namespace {

constexpr JobClient::Milliseconds kPatience{120'000};
constexpr size_t kShownProblems = 20;

// How one request is submitted.
struct Plan {
  enum class Kind { kOnce, kAgain, kTwoAtOnce, kShortDeadlines };
  Kind kind = Kind::kOnce;
  int repeats = 0;              // of kAgain and kShortDeadlines
  int64_t deadline_us = 0;      // of the tries of kShortDeadlines
  bool other_spec_too = false;  // with the same request id, after the acknowledgement
  v1::CreateJobRequest request;
};

class Storm {
 public:
  Storm(JobClient& client, const StormOptions& options)
      : client_(client), options_(options), acknowledged_(static_cast<size_t>(options.submits)) {}

  int Run() {
    const auto begin = std::chrono::steady_clock::now();
    ForAll([this](int64_t index) { Submit(index); });
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
    std::cout << options_.submits << " request ids from " << options_.threads
              << " threads: " << tries_ << " calls, " << lost_ << " answers lost, " << refused_
              << " other specs refused, " << absl::StrCat(took.count()) << " s\n";
    CheckList();
    ForAll([this](int64_t index) { CheckSpec(index); });
    const size_t shown = std::min(problems_.size(), kShownProblems);
    for (size_t i = 0; i < shown; ++i) std::cout << "PROBLEM: " << problems_[i] << "\n";
    std::cout << problems_.size() << " problems\n";
    return problems_.empty() ? 0 : 1;
  }

 private:
  std::string Prefix() const { return absl::StrCat("storm-", options_.seed, "-"); }

  // A pure function of seed and index.
  Plan MakePlan(int64_t index) const {
    std::seed_seq words{options_.seed, options_.seed >> 32, static_cast<uint64_t>(index)};
    std::mt19937_64 random(words);
    Plan plan;
    const uint64_t share = random() % 100;
    if (share < 15) {
      plan.kind = Plan::Kind::kAgain;
    } else if (share < 30) {
      plan.kind = Plan::Kind::kTwoAtOnce;
    } else if (share < 45) {
      plan.kind = Plan::Kind::kShortDeadlines;
    }
    plan.repeats = static_cast<int>(1 + random() % 3);
    plan.deadline_us = static_cast<int64_t>(100 + random() % 5'000);
    plan.other_spec_too = random() % 20 == 0;
    const std::string name = absl::StrCat(Prefix(), index, "-");
    plan.request.set_request_id(name);
    plan.request.set_priority(options_.priority);
    v1::JobSpec& spec = *plan.request.mutable_spec();
    spec = options_.job;
    spec.set_name(name);
    spec.mutable_training()->set_epochs(static_cast<int64_t>(1 + random() % 50));
    spec.mutable_training()->set_seed(random());
    return plan;
  }

  // `work` for every index, on all threads.
  template <typename Work>
  void ForAll(const Work& work) const {
    std::atomic<int64_t> next{0};
    std::vector<std::jthread> threads;
    for (int i = 0; i < options_.threads; ++i) {
      threads.emplace_back([&] {
        for (int64_t index = next++; index < options_.submits; index = next++) work(index);
      });
    }
  }

  void Submit(int64_t index) {
    Plan plan = MakePlan(index);
    if (plan.kind == Plan::Kind::kShortDeadlines) {
      for (int i = 0; i < plan.repeats; ++i) {
        v1::CreateJobResponse response;
        const grpc::Status status =
            client_.Create(plan.request, std::chrono::microseconds(plan.deadline_us), &response);
        ++tries_;
        if (status.ok()) {
          Note(index, response);
        } else if (JobClient::MayPass(status)) {
          ++lost_;
        } else {
          Problem(index, absl::StrCat("was refused: ", status.error_message()));
        }
      }
    }
    if (plan.kind == Plan::Kind::kTwoAtOnce) {
      std::jthread other([&] { SubmitUntilAnswered(index, plan.request); });
      SubmitUntilAnswered(index, plan.request);
    } else {
      SubmitUntilAnswered(index, plan.request);
    }
    if (plan.kind == Plan::Kind::kAgain) {
      for (int i = 0; i < plan.repeats; ++i) SubmitUntilAnswered(index, plan.request);
    }
    if (plan.other_spec_too) SubmitOtherSpec(index, plan.request);
  }

  void SubmitUntilAnswered(int64_t index, const v1::CreateJobRequest& request) {
    v1::CreateJobResponse response;
    const grpc::Status status = client_.CreateUntilAnswered(request, kPatience, &response);
    ++tries_;
    if (status.ok()) return Note(index, response);
    Problem(index, absl::StrCat("was refused: code ", static_cast<int>(status.error_code()), ", ",
                                status.error_message()));
  }

  void SubmitOtherSpec(int64_t index, v1::CreateJobRequest request) {
    request.mutable_spec()->mutable_training()->set_epochs(request.spec().training().epochs() + 1);
    v1::CreateJobResponse response;
    const grpc::Status status = client_.CreateUntilAnswered(request, kPatience, &response);
    ++tries_;
    if (status.error_code() == grpc::StatusCode::ALREADY_EXISTS) {
      ++refused_;
    } else {
      Problem(index,
              absl::StrCat("another spec with its request id got code ",
                           static_cast<int>(status.error_code()), ", job ", response.job().id()));
    }
  }

  // An acknowledgement: all of one request id must name the same job.
  void Note(int64_t index, const v1::CreateJobResponse& response) {
    const std::lock_guard lock(mutex_);
    std::string& id = acknowledged_[static_cast<size_t>(index)];
    if (id.empty()) id = response.job().id();
    if (id != response.job().id()) {
      problems_.push_back(absl::StrCat("request ", index, " was acknowledged as job ", id,
                                       " and as job ", response.job().id()));
    }
  }

  void Problem(int64_t index, const std::string& what) {
    const std::lock_guard lock(mutex_);
    problems_.push_back(absl::StrCat("request ", index, " ", what));
  }

  void CheckList() {
    std::map<std::string, std::string> ids;  // by name
    std::set<std::string> distinct;
    v1::ListJobsRequest request;
    request.set_page_size(1'000);
    request.set_name_contains(Prefix());
    do {
      v1::ListJobsResponse page;
      const grpc::Status status = client_.UntilAnswered(
          kPatience, [&](JobClient::Stub& stub, grpc::ClientContext& context) {
            return stub.ListJobs(&context, request, &page);
          });
      if (!status.ok()) {
        problems_.push_back(absl::StrCat("ListJobs: ", status.error_message()));
        return;
      }
      for (const v1::Job& job : page.jobs()) {
        if (!ids.emplace(job.name(), job.id()).second)
          problems_.push_back(absl::StrCat(job.name(), " is there twice: job ", ids[job.name()],
                                           " and job ", job.id()));
        if (!distinct.insert(job.id()).second)
          problems_.push_back(absl::StrCat("job ", job.id(), " is listed twice"));
        if (job.state() != v1::Job::QUEUED)
          problems_.push_back(absl::StrCat("job ", job.id(), " is not QUEUED"));
      }
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    if (ids.size() != acknowledged_.size()) {
      problems_.push_back(absl::StrCat("there are jobs of ", ids.size(), " names, for ",
                                       acknowledged_.size(), " request ids"));
    }
    for (size_t index = 0; index < acknowledged_.size(); ++index) {
      const auto found = ids.find(absl::StrCat(Prefix(), index, "-"));
      const std::string listed = found == ids.end() ? "none" : found->second;
      if (listed != acknowledged_[index]) {
        problems_.push_back(absl::StrCat("request ", index, " was acknowledged as job ",
                                         acknowledged_[index], " and is listed as ", listed));
      }
    }
  }

  void CheckSpec(int64_t index) {
    v1::GetJobRequest request;
    {
      const std::lock_guard lock(mutex_);
      request.set_id(acknowledged_[static_cast<size_t>(index)]);
    }
    v1::Job job;
    const grpc::Status status =
        client_.UntilAnswered(kPatience, [&](JobClient::Stub& stub, grpc::ClientContext& context) {
          return stub.GetJob(&context, request, &job);
        });
    const Plan plan = MakePlan(index);
    if (!status.ok()) {
      Problem(index, absl::StrCat("GetJob of ", request.id(), ": ", status.error_message()));
    } else if (!google::protobuf::util::MessageDifferencer::Equals(job.spec(),
                                                                   plan.request.spec())) {
      Problem(index, absl::StrCat("is job ", job.id(), " with another spec"));
    }
  }

  JobClient& client_;
  const StormOptions& options_;
  std::atomic<int64_t> tries_{0};
  std::atomic<int64_t> lost_{0};
  std::atomic<int64_t> refused_{0};
  std::mutex mutex_;
  std::vector<std::string> acknowledged_;  // the job's id, by index; guarded by mutex_
  std::vector<std::string> problems_;      // guarded by mutex_ while there are threads
};

}  // namespace

int SubmitStorm(JobClient& client, const StormOptions& options) {
  return Storm(client, options).Run();
}

}  // namespace anneal::fault
