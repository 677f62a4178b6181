// A scheduler whose jobs are paused, resumed and interrupted, and whose store can be raced and can
// lie.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/scheduler/attempt_observer.h"
#include "tests/scheduler/scheduler_fixture.h"

namespace anneal {

class PauseTest : public SchedulerFixture {
 protected:
  // `race` runs within the next call of this kind, and no later one.
  void Once(Call call, std::function<void()> race) {
    store_.Before(call,
                  [race = std::move(race), done = std::make_shared<std::atomic<bool>>(false)] {
                    if (!done->exchange(true)) race();
                  });
  }

  // The next call of this kind does `commit` and then answers an error all the same.
  void CommitAndDeny(Call call, std::function<void()> commit) {
    Once(call, [this, call, commit = std::move(commit)] {
      commit();
      store_.Fail(call, 1, absl::UnavailableError("cannot be synced"));
    });
  }

  // As the store sees it: behind the scheduler's back.
  void Change(JobId id, JobState from, JobState to) {
    const absl::Status changed = store_.ChangeState(id, from, to, StopReason::kNone, "").status();
    ASSERT_TRUE(changed.ok()) << changed;
  }

  // Time passes between epochs, so that a state is kept after each.
  void SlowEpochs() {
    store_.Before(Call::kAppendEpoch,
                  [this] { clock_.Advance(AttemptObserver::kStateIntervalUs); });
  }

  // Pauses a job that waits in its hold, and waits until it is PAUSED.
  void PauseHeld(JobId id) {
    Recording recording(bus_, store_, id);
    const absl::StatusOr<Job> pausing = scheduler_->Pause(id);
    ASSERT_TRUE(pausing.ok()) << pausing.status();
    EXPECT_EQ(pausing->state, JobState::kPausing);
    recording.Await("PAUSED");
    recording.ExpectWhole();
  }

  void ExpectRefused(const absl::Status& status, const std::string& why) {
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(why));
  }

  std::vector<std::string> Files(JobId id) {
    std::vector<std::string> names;
    std::error_code none;
    const std::filesystem::path folder = folder_.Join(absl::StrCat("artifacts/", id));
    for (const auto& entry : std::filesystem::directory_iterator(folder, none))
      names.push_back(entry.path().filename().string());
    return names;
  }

  static std::string Contents(const std::string& path) {
    std::ifstream file(path);
    return std::string(std::istreambuf_iterator<char>(file), {});
  }
};

}  // namespace anneal
