// The words for what a prediction job is, and how it went.
#pragma once

#include <string>
#include <string_view>

#include "anneal/v1/job.pb.h"
#include "anneal/v1/prediction.pb.h"
#include "anneal/v1/result.pb.h"
#include "client/render.h"
#include "client/session.h"

namespace anneal::client {

// What a set of answers was made with.
inline constexpr char kWithDropout[] = "MC Dropout";
inline constexpr char kWithoutDropout[] = "without dropout";

// Whether the prediction draws samples.
bool HasDropout(const v1::PredictionSpec& spec);

// The class's name, escaped, or its number where it has none.
std::string ClassName(const v1::PredictionSet& set, int32_t index);

// The first characters of a hash, enough to tell files apart.
std::string ShortHash(const std::string& sha256);

// "job 7 by job 3 on cifar10/test, 10,000 images, 100 samples, seed 1, consistent masks"; where not
// all are stored, "1,024 of 10,000 images stored". Escaped.
std::string SetText(const v1::PredictionSet& set);

// Rows of two cells: model, data set, images, samples, seed, masks and so on: as the daemon made
// them out, or, before the job has begun, as far as `job`'s spec says.
void AddPredictionRows(const v1::Job& job, Table& table);

// The result's metrics with people's names for the rows of `show`, those with dropout first, in the
// order accuracy, nll, brier, ece, others by name.
void AddPredictionMetricRows(const v1::TrainingResult& result, Table& table);

// The result in lines, each ending in '\n': one of what dropout's samples came to (where
// `has_dropout`), one of what the network answers without it. "" where the result has no metrics.
std::string PredictionResultText(const v1::TrainingResult& result, bool has_dropout);

// Says on standard error where the answer for the job `asked` is of another one: a training has the
// answer of its newest prediction.
void NoteResolved(Session& session, const std::string& asked, const v1::PredictionSet& set);

// The commands that show what is stored, in lines ending in '\n'.
std::string PredictionAdvice(const Session& session, const std::string& id);

}  // namespace anneal::client
