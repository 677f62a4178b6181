// A comparison of jobs for people and for spreadsheets. Pure functions.
#pragma once

#include <string>

#include "anneal/v1/comparison.pb.h"
#include "client/render.h"

namespace anneal::client {

// Tables, each as wide as style.columns where names and numbers let it: what the jobs cost, what
// they achieved, and for each metric a matrix of how long each job needed to be as good as each
// other job's best.
std::string ComparisonTables(const v1::Comparison& comparison, const Style& style);

// The columns of ComparisonCsv, in order, separated by commas. Scripts rely on them: add new ones
// at the end.
inline constexpr char kComparisonCsvColumns[] =
    "job,target,name,state,epochs,parameters,seconds_per_epoch,total_seconds,"
    "loss_metric,best_loss,best_loss_epoch,accuracy_metric,best_accuracy,best_accuracy_epoch,"
    "test_accuracy,loss_reach_epochs,loss_reach_seconds,accuracy_reach_epochs,"
    "accuracy_reach_seconds";

// A header and a line for each job and each target, itself included: the columns before
// loss_reach_epochs are the job's, the last four say how long it needed to be as good as the best
// of the target. Empty: not known, or never. Numbers have full precision.
std::string ComparisonCsv(const v1::Comparison& comparison);

}  // namespace anneal::client
