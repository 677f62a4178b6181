// A scheduler between fakes.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "anneal/v1/job.pb.h"
#include "server/scheduler/event_bus.h"
#include "server/scheduler/scheduler.h"
#include "tests/scheduler/recording.h"
#include "tests/support/fake_catalog.h"
#include "tests/support/fake_engine.h"
#include "tests/support/fake_store.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_folder.h"

namespace anneal {

// The smallest valid spec: softmax regression on "cifar10".
inline v1::JobSpec SmallSpec(const std::string& name) {
  v1::JobSpec spec;
  spec.set_name(name);
  v1::TrainingSpec& training = *spec.mutable_training();
  training.mutable_dataset()->set_name("cifar10");
  training.mutable_network()->add_layers()->mutable_flatten();
  v1::Dense& dense = *training.mutable_network()->add_layers()->mutable_dense();
  dense.set_units(10);
  dense.set_activation(v1::Activation::SOFTMAX);
  training.mutable_loss()->mutable_sparse_categorical_crossentropy();
  training.mutable_optimizer()->mutable_sgd();
  training.set_device("cpu");
  return spec;
}

inline NewJob SmallJob(const std::string& name, int32_t priority = 0) {
  NewJob job;
  job.name = name;
  job.priority = priority;
  job.spec = SmallSpec(name).SerializeAsString();
  job.spec_sha256 = absl::StrCat("hash of ", name);
  return job;
}

class SchedulerFixture : public testing::Test {
 protected:
  using Call = FakeStore::Call;

  SchedulerFixture() {
    catalog_.Add(Cifar10Info());
    options_.progress_interval_us = 1'000;
    options_.deadline_interval_us = 1'000;
    options_.restart_wait_us = 0;
    options_.artifact_folder = folder_.Join("artifacts");
    Make();
  }

  // A scheduler on the same store, as after a restart of the daemon. The one before is stopped and
  // destroyed.
  void Make() {
    scheduler_.reset();
    scheduler_ = Scheduler::Create(store_, engine_, bus_, catalog_, clock_, options_);
  }

  void Start() {
    const absl::Status started = scheduler_->Start();
    ASSERT_TRUE(started.ok()) << started;
  }

  JobId Submit(const std::string& name, int32_t priority = 0) {
    const absl::StatusOr<CreatedJob> created = scheduler_->Submit(SmallJob(name, priority));
    if (!created.ok()) {
      ADD_FAILURE() << created.status();
      return 0;
    }
    return created->job.id;
  }

  // In the queue: 1 is next, 0: it is not in it.
  int64_t Position(JobId id) const { return scheduler_->QueuePlaces({id}).at(0).position; }

  Job Get(JobId id) {
    const absl::StatusOr<Job> job = store_.GetJob(id);
    if (job.ok()) return *job;
    ADD_FAILURE() << job.status();
    return Job();
  }

  // What happened to the job, after it has ended. What watchers saw is all of it.
  std::vector<std::string> AwaitEnd(JobId id) {
    Recording recording(bus_, store_, id);
    recording.AwaitLast();
    recording.ExpectWhole();
    return recording.Texts();
  }

  std::vector<std::string> StoredTexts(JobId id) const {
    return Texts(store_.Events(id));
  }

  const TempFolder folder_;
  ManualClock clock_;
  FakeStore store_{clock_};
  FakeEngine engine_{clock_};
  FakeCatalog catalog_;
  EventBus bus_;
  Scheduler::Options options_;
  std::unique_ptr<Scheduler> scheduler_;
};

}  // namespace anneal
