#include "storage/mutations.h"
#include "storage/prediction_rows.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"
#include "storage/reads.h"
#include "storage/sqlite_status.h"

namespace anneal {
namespace {

// Whether two ask for the same. `stored` and `job_id` do not matter.
bool AsksTheSame(const PredictionSet& a, const PredictionSet& b) {
  return a.model_job_id == b.model_job_id && a.checkpoint_sha256 == b.checkpoint_sha256 &&
         a.dataset == b.dataset && a.split == b.split && a.samples == b.samples &&
         a.seed == b.seed && a.consistent_masks == b.consistent_masks &&
         a.keeps_samples == b.keeps_samples && a.begin == b.begin && a.images == b.images &&
         a.class_names == b.class_names;
}

void InsertSet(Connection& connection, JobId id, const PredictionSet& set) {
  Query(connection, sql::kInsertPredictionSet)
      .Bind(id)
      .Bind(set.model_job_id)
      .BindText(set.checkpoint_sha256)
      .BindText(set.dataset)
      .BindText(set.split)
      .Bind(set.samples)
      .Bind(static_cast<int64_t>(set.seed))
      .Bind(int64_t{set.consistent_masks})
      .Bind(int64_t{set.keeps_samples})
      .Bind(set.begin)
      .Bind(set.images)
      .Run();
  int64_t number = 0;
  for (const std::string& name : set.class_names) {
    Query(connection, sql::kInsertPredictionClass).Bind(id).Bind(number++).BindText(name).Run();
  }
}

// The index after the last image stored, or `begin` where none is.
int64_t ReadEnd(Connection& connection, JobId id, int64_t begin) {
  Query query(connection, sql::kPredictionEnd);
  query.Bind(id);
  return query.Step() ? query.Int64(0) : begin;
}

bool HasSizes(const PredictionChunk& chunk, const PredictionSizes& sizes) {
  const auto has = [&](const auto& column, int64_t width) {
    return static_cast<int64_t>(column.size()) == chunk.count * width;
  };
  const auto has_one = [&](const auto& column) { return has(column, 1); };
  return chunk.count >= 1 && std::all_of(chunk.facts.begin(), chunk.facts.end(), has_one) &&
         std::all_of(chunk.measures.begin(), chunk.measures.end(), has_one) &&
         has(chunk.probabilities, sizes.classes) && has(chunk.deviations, sizes.classes) &&
         has(chunk.deterministic_probabilities, sizes.classes) &&
         has(chunk.sample_probabilities, sizes.kept_values());
}

template <typename T>
void InsertColumn(Connection& connection, const sql::PredictionColumn& column, int64_t chunk_id,
                  const std::vector<T>& values) {
  Query(connection, column.insert)
      .Bind(chunk_id)
      .BindBlob(values.data(), values.size() * sizeof(T))
      .Run();
}

void InsertChunk(Connection& connection, JobId id, const PredictionChunk& chunk) {
  Query(connection, sql::kInsertPredictionChunk).Bind(id).Bind(chunk.begin).Bind(chunk.count).Run();
  const int64_t chunk_id = connection.database().getLastInsertRowid();
  for (size_t i = 0; i < kImageFactCount; ++i) {
    InsertColumn(connection, sql::kFactColumns[i], chunk_id, chunk.facts[i]);
  }
  for (size_t i = 0; i < kMeasureCount; ++i) {
    InsertColumn(connection, sql::kMeasureColumns[i], chunk_id, chunk.measures[i]);
  }
  InsertColumn(connection, sql::kProbabilityColumn, chunk_id, chunk.probabilities);
  InsertColumn(connection, sql::kDeviationColumn, chunk_id, chunk.deviations);
  InsertColumn(connection, sql::kDeterministicProbabilityColumn, chunk_id,
               chunk.deterministic_probabilities);
  if (!chunk.sample_probabilities.empty()) {
    InsertColumn(connection, sql::kSampleProbabilityColumn, chunk_id, chunk.sample_probabilities);
  }
}

absl::Status DoesNotFit(JobId id, const PredictionChunk& chunk, const std::string& why) {
  return absl::InternalError(absl::StrCat("job ", id, ": the chunk of ", chunk.count,
                                          " images from ", chunk.begin, " on ", why));
}

}  // namespace

absl::StatusOr<int64_t> WritePredictionSet(Connection& connection, JobId id, int64_t attempt,
                                           const PredictionSet& set) {
  RETURN_IF_ERROR(CheckAttemptOpen(connection, id, attempt));
  if (set.class_names.empty()) {
    return absl::InternalError(absl::StrCat("job ", id, ": predictions of no classes"));
  }
  ASSIGN_OR_RETURN(const std::optional<PredictionSizes> sizes, ReadPredictionSizes(connection, id));
  if (!sizes) {
    InsertSet(connection, id, set);
    return 0;
  }
  ASSIGN_OR_RETURN(const PredictionSet begun, ReadPredictionSet(connection, id));
  if (!AsksTheSame(begun, set)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "an earlier attempt of job ", id, " has begun other predictions (checkpoint ",
        begun.checkpoint_sha256, ", dataset '", begun.dataset, "', split '", begun.split, "', ",
        begun.images, " images from ", begun.begin, " on, ", begun.samples, " samples, ",
        begun.classes(), " classes) than this one (checkpoint ", set.checkpoint_sha256,
        ", dataset '", set.dataset, "', split '", set.split, "', ", set.images, " images from ",
        set.begin, " on, ", set.samples, " samples, ", set.classes(),
        " classes); what predicts or is predicted was changed meanwhile: put it back, or submit a "
        "new job"));
  }
  return begun.stored;
}

absl::Status WritePredictionChunk(Connection& connection, JobId id, int64_t attempt,
                                  const PredictionChunk& chunk) {
  RETURN_IF_ERROR(CheckAttemptOpen(connection, id, attempt));
  ASSIGN_OR_RETURN(const std::optional<PredictionSizes> sizes, ReadPredictionSizes(connection, id));
  if (!sizes) return DoesNotFit(id, chunk, "comes before the predictions were begun");
  if (!HasSizes(chunk, *sizes)) {
    return DoesNotFit(
        id, chunk,
        absl::StrCat("has vectors of other sizes than ", sizes->classes, " classes and ",
                     sizes->kept_values(), " sample probabilities an image give"));
  }
  const int64_t end = sizes->begin + sizes->images;
  if (chunk.begin < sizes->begin || chunk.begin > end || chunk.count > end - chunk.begin) {
    return DoesNotFit(id, chunk,
                      absl::StrCat("is not within what was asked, ", sizes->images, " images from ",
                                   sizes->begin, " on"));
  }
  const int64_t next = ReadEnd(connection, id, sizes->begin);
  if (chunk.begin + chunk.count <= next) return absl::OkStatus();
  if (chunk.begin != next) {
    return DoesNotFit(id, chunk,
                      absl::StrCat("does not follow what is stored; ", next, " would be the next"));
  }
  InsertChunk(connection, id, chunk);
  EndRestarts(connection, id);
  return absl::OkStatus();
}

absl::StatusOr<PredictionSet> ReadPredictionSet(Connection& connection, JobId id) {
  PredictionSet set;
  {
    Query query(connection, sql::kPredictionSet);
    query.Bind(id);
    if (!query.Step()) return NoPredictions(connection, id);
    set.job_id = id;
    set.model_job_id = query.Int64(0);
    set.checkpoint_sha256 = query.Text(1);
    set.dataset = query.Text(2);
    set.split = query.Text(3);
    set.samples = query.Int64(4);
    set.seed = static_cast<uint64_t>(query.Int64(5));
    set.consistent_masks = query.Int64(6) != 0;
    set.keeps_samples = query.Int64(7) != 0;
    set.begin = query.Int64(8);
    set.images = query.Int64(9);
  }
  Query classes(connection, sql::kPredictionClasses);
  classes.Bind(id);
  while (classes.Step()) set.class_names.push_back(classes.Text(0));
  set.stored = ReadEnd(connection, id, set.begin) - set.begin;
  return set;
}

absl::Status ReadPredictionChunks(
    Connection& connection, JobId id,
    const std::function<absl::Status(const PredictionChunk&)>& visit) {
  ASSIGN_OR_RETURN(const std::optional<PredictionSizes> sizes, ReadPredictionSizes(connection, id));
  if (!sizes) return NoPredictions(connection, id);
  std::vector<std::unique_ptr<ColumnReader>> facts;
  std::vector<std::unique_ptr<ColumnReader>> measures;
  for (const sql::PredictionColumn& column : sql::kFactColumns) {
    facts.push_back(std::make_unique<ColumnReader>(connection, column, 1));
  }
  for (const sql::PredictionColumn& column : sql::kMeasureColumns) {
    measures.push_back(std::make_unique<ColumnReader>(connection, column, 1));
  }
  ColumnReader probabilities(connection, sql::kProbabilityColumn, sizes->classes);
  ColumnReader deterministic(connection, sql::kDeterministicProbabilityColumn, sizes->classes);

  PredictionChunk chunk;
  ChunkScan scan(connection, id, *sizes);
  while (true) {
    ASSIGN_OR_RETURN(const std::optional<PredictionChunkPlace> place, scan.Next());
    if (!place) return absl::OkStatus();
    const auto read = [&](ColumnReader& column, int64_t width, auto& values) {
      values.resize(static_cast<size_t>(place->count * width));
      return column.Read(*place, 0, place->count, values.data());
    };
    chunk.begin = place->begin;
    chunk.count = place->count;
    for (size_t i = 0; i < kImageFactCount; ++i) {
      RETURN_IF_ERROR(read(*facts[i], 1, chunk.facts[i]));
    }
    for (size_t i = 0; i < kMeasureCount; ++i) {
      RETURN_IF_ERROR(read(*measures[i], 1, chunk.measures[i]));
    }
    RETURN_IF_ERROR(read(probabilities, sizes->classes, chunk.probabilities));
    RETURN_IF_ERROR(read(deterministic, sizes->classes, chunk.deterministic_probabilities));
    RETURN_IF_ERROR(visit(chunk));
  }
}

absl::StatusOr<std::optional<PredictionSizes>> ReadPredictionSizes(Connection& connection,
                                                                   JobId id) {
  PredictionSizes sizes;
  {
    Query query(connection, sql::kPredictionSizes);
    query.Bind(id);
    if (!query.Step()) return std::nullopt;
    sizes.begin = query.Int64(0);
    sizes.images = query.Int64(1);
    sizes.samples = query.Int64(2);
    sizes.keeps_samples = query.Int64(3) != 0;
    sizes.classes = query.Int64(4);
  }
  if (sizes.classes == 0) {
    return DamagedStatus(connection.path(),
                         absl::StrCat("the predictions of job ", id, " have lost their classes"));
  }
  return std::optional<PredictionSizes>(sizes);
}

absl::Status NoPredictions(Connection& connection, JobId id) {
  if (!ReadState(connection, id)) return NoSuchJob(id);
  return absl::NotFoundError(absl::StrCat("job ", id, " has begun no predictions"));
}

ChunkScan::ChunkScan(Connection& connection, JobId id, const PredictionSizes& sizes)
    : connection_(connection),
      id_(id),
      end_(sizes.begin + sizes.images),
      next_(sizes.begin),
      query_(connection, sql::kPredictionChunks) {
  query_.Bind(id);
}

absl::StatusOr<std::optional<PredictionChunkPlace>> ChunkScan::Next() {
  if (!query_.Step()) return std::nullopt;
  const PredictionChunkPlace place{query_.Int64(0), query_.Int64(1), query_.Int64(2)};
  if (place.begin != next_ || place.count < 1 || place.count > end_ - place.begin) {
    return DamagedStatus(
        connection_.path(),
        absl::StrCat("job ", id_, " has ", place.count, " predictions from image ", place.begin,
                     " on where those from ", next_, " on follow, up to ", end_));
  }
  next_ += place.count;
  return std::optional<PredictionChunkPlace>(place);
}

}  // namespace anneal
