// What a spec may ask for at most. Fixed, so that judging and training a spec are bounded whatever
// a client sends.
#pragma once

#include <cstddef>
#include <cstdint>

namespace anneal::limits {

inline constexpr size_t kViolations = 100;  // reported; the rest are counted
inline constexpr size_t kWarnings = 100;

inline constexpr size_t kJobNameBytes = 200;
inline constexpr size_t kLayerNameBytes = 100;

inline constexpr int64_t kLayers = 10'000;  // with every repeat expanded
inline constexpr int kRepeatNesting = 8;
inline constexpr int64_t kUnits = 1'000'000'000;  // of a Dense; filters of a Conv2D
inline constexpr int64_t kWindow =
    1'000;  // a kernel's (dilated or not), a pooling window's, a stride's or a dilation rate's
            // height and width
inline constexpr int64_t kInputSteps = 100;
inline constexpr int64_t kBoundaries = 1'000;  // of a piecewise constant schedule
inline constexpr int64_t kParameters = 1'000'000'000;
inline constexpr int64_t kMemoryBytes = int64_t{1} << 40;

inline constexpr int64_t kTrials = 1'000;  // of a sweep
inline constexpr int kSweepParameters = 20;
inline constexpr int64_t kTrialsBytes = int64_t{64} << 20;  // of their job files together
inline constexpr int64_t kTrialsLayers = 2'000'000;         // with every repeat expanded
inline constexpr int64_t kWrongTrials = 200;                // of a sweep, judged

inline constexpr int64_t kBatchSize = 65'536;
inline constexpr int64_t kEpochs = 1'000'000;
inline constexpr int64_t kFewestRangeTestSteps = 10;
inline constexpr int64_t kRangeTestSteps = 100'000;

inline constexpr int64_t kPredictionSamples = 100'000;
inline constexpr int64_t kSampledProbabilities = 20'000'000;  // of one image: samples x classes
inline constexpr int64_t kKeptProbabilities = 10'000'000;     // the same, where they are kept

}  // namespace anneal::limits
