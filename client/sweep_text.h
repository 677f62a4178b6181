// The words and tables for sweeps and their trials. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "anneal/v1/job.pb.h"
#include "anneal/v1/result.pb.h"
#include "client/render.h"
#include "google/protobuf/repeated_field.h"

namespace anneal::client {

// For each of the paths, which differ, its shortest end (of whole parts) that no other has:
// "learning_rate", or "layers[1].dense.units" where another path ends in ".units" too.
std::vector<std::string> ShortNames(const std::vector<std::string>& paths);

// "learning_rate=0.1  units=50": escaped, with short names.
std::string SettingsText(const google::protobuf::RepeatedPtrField<v1::TrialSetting>& settings);

// "trial 3 (job 9) is SUCCEEDED  learning_rate=0.1  best val_loss 0.5123 in epoch 4", the state
// painted. `result` as fetched after the event; what it does not know is left out.
std::string TrialEndLine(const v1::JobEvent::TrialEnd& end, const v1::SweepResult& result,
                         const Style& style);

// A line a trial, best first: rank, number, job, state, a column a setting, the best value, its
// epoch.
std::string RankingTable(const v1::SweepResult& result, const Style& style);

// "4 of 9 trials have ended"
std::string EndedText(const v1::SweepResult& result);

}  // namespace anneal::client
