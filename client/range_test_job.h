// A learning-rate range test that has ended: fetching it, and training with what it suggests.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "anneal/v1/job.pb.h"
#include "client/session.h"

namespace anneal::client {

// Fetches the job `id`, which must be a range test with a curve. kExitDone; or says on standard
// error, after `option`, what is wrong, and returns kExitUsage where it is no range test,
// kExitRefused where it has no curve (yet), or what the failed call means.
int FetchRangeTest(Session& session, const std::string& option, const std::string& id,
                   v1::Job* job);

// Adds --lr-from.
void AddLearningRateFrom(CLI::App& command, std::optional<std::string>& lr_from);

// Sets the learning rate of `spec`'s optimizer, at three significant digits, to what the range test
// suggests that `lr_from` ("JOB" or "JOB:SUGGESTION") names, and says so on standard error; warns
// where that test was of another optimizer, network or batch size. A range test's block in `spec`
// is left out: what is asked for is the training. Does nothing where `lr_from` is not given.
//
// kExitDone; or prints what is wrong and returns the exit code: that of FetchRangeTest,
// kExitRefused where the test does not suggest this, kExitUsage where `lr_from` cannot be
// understood, there is no optimizer, or one of `settings` (see --set) or the sweep sets the same
// learning rate.
int ApplyLearningRateFrom(Session& session, const std::optional<std::string>& lr_from,
                          const std::vector<std::string>& settings, v1::JobSpec& spec);

}  // namespace anneal::client
