#include "server/rpc/sweep_result.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::Pair;

TrialRow Trial(int64_t number, std::optional<double> best) {
  TrialRow trial;
  trial.id = 100 + number;
  trial.number = number;
  trial.best = best;
  trial.best_epoch = best.has_value() ? number : 0;
  return trial;
}

// Number and rank, best first.
std::vector<std::pair<int64_t, int64_t>> Ranks(const v1::SweepResult& result) {
  std::vector<std::pair<int64_t, int64_t>> ranks;
  for (const auto& trial : result.trials()) ranks.emplace_back(trial.number(), trial.rank());
  return ranks;
}

TEST(SweepResultTest, EqualOnesShareARankAndThoseWithoutAValueAreLast) {
  const std::vector<TrialRow> trials = {Trial(1, std::nullopt), Trial(2, 0.5),
                                        Trial(3, 0.25),         Trial(4, 0.5),
                                        Trial(5, 0.75),         Trial(6, std::nullopt)};
  const v1::SweepResult result = Rank("val_loss", false, trials);
  EXPECT_THAT(Ranks(result),
              ElementsAre(Pair(3, 1), Pair(2, 2), Pair(4, 2), Pair(5, 4), Pair(1, 0), Pair(6, 0)));
  EXPECT_EQ(result.monitor(), "val_loss");
  EXPECT_EQ(result.trials(0).best(), 0.25);
  EXPECT_EQ(result.trials(0).best_epoch(), 3);
  EXPECT_EQ(result.trials(0).job_id(), "103");
  EXPECT_FALSE(result.trials(5).has_best());
  EXPECT_THAT(Ranks(Rank("accuracy", true, trials)),
              ElementsAre(Pair(5, 1), Pair(2, 2), Pair(4, 2), Pair(3, 4), Pair(1, 0), Pair(6, 0)));
}

TEST(SweepResultTest, ZerosOfEitherSignAreEqual) {
  EXPECT_THAT(Ranks(Rank("loss", false, {Trial(1, 0.0), Trial(2, -0.0)})),
              ElementsAre(Pair(1, 1), Pair(2, 1)));
}

}  // namespace
}  // namespace anneal
