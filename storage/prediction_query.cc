#include "storage/prediction_query.h"

#include <algorithm>
#include <array>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/status_macros.h"
#include "storage/column_reader.h"
#include "storage/prediction_ranking.h"
#include "storage/prediction_rows.h"
#include "storage/prediction_sql.h"

namespace anneal {
namespace {

using By = PredictionOrder::By;

absl::Status CheckOrder(const PredictionOrder& order) {
  const size_t columns = order.by == By::kFact      ? kImageFactCount
                         : order.by == By::kMeasure ? kMeasureCount
                                                    : order.column + 1;
  if (order.column < columns) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("predictions cannot be sorted by column ", order.column,
                                          " of ", columns, " (from 0)"));
}

// The facts and measures that a query looks at in every image.
class NeededColumns {
 public:
  NeededColumns(Connection& connection, const PredictionQuery& query) {
    for (size_t i = 0; i < kImageFactCount; ++i) {
      if (query.filter.needs(static_cast<ImageFact>(i)) ||
          (query.order.by == By::kFact && query.order.column == i)) {
        facts_[i].emplace(connection, sql::kFactColumns[i], 1);
      }
    }
    for (size_t i = 0; i < kMeasureCount; ++i) {
      if (query.filter.needs(static_cast<Measure>(i)) ||
          (query.order.by == By::kMeasure && query.order.column == i)) {
        measures_[i].emplace(connection, sql::kMeasureColumns[i], 1);
      }
    }
  }

  // Replaces those of the chunk before.
  absl::Status Read(const PredictionChunkPlace& chunk) {
    columns_.begin = chunk.begin;
    columns_.count = chunk.count;
    for (size_t i = 0; i < kImageFactCount; ++i) {
      RETURN_IF_ERROR(Read(chunk, facts_[i], fact_values_[i], columns_.facts[i]));
    }
    for (size_t i = 0; i < kMeasureCount; ++i) {
      RETURN_IF_ERROR(Read(chunk, measures_[i], measure_values_[i], columns_.measures[i]));
    }
    return absl::OkStatus();
  }

  const PredictionColumns& columns() const { return columns_; }

 private:
  template <typename T>
  static absl::Status Read(const PredictionChunkPlace& chunk, std::optional<ColumnReader>& reader,
                           std::vector<T>& values, const T*& column) {
    if (!reader) return absl::OkStatus();
    values.resize(static_cast<size_t>(chunk.count));
    column = values.data();
    return reader->Read(chunk, 0, chunk.count, values.data());
  }

  std::array<std::optional<ColumnReader>, kImageFactCount> facts_;
  std::array<std::optional<ColumnReader>, kMeasureCount> measures_;
  std::array<std::vector<int32_t>, kImageFactCount> fact_values_;
  std::array<std::vector<float>, kMeasureCount> measure_values_;
  PredictionColumns columns_;
};

// Everything of the images that were found, a column at a time.
class RowReader {
 public:
  RowReader(Connection& connection, const std::vector<PredictionRanking::Entry>& entries,
            std::vector<PredictionRow>& rows)
      : connection_(connection), entries_(entries), rows_(rows) {}

  // `values_of`: where a row's values go, which has room for `width` of them.
  template <typename ValuesOf>
  absl::Status Read(const sql::PredictionColumn& column, int64_t width, const ValuesOf& values_of) {
    ColumnReader reader(connection_, column, width);
    for (size_t i = 0; i < entries_.size(); ++i) {
      const PredictionChunkPlace& chunk = entries_[i].chunk;
      RETURN_IF_ERROR(reader.Read(chunk, entries_[i].image - chunk.begin, 1, values_of(rows_[i])));
    }
    return absl::OkStatus();
  }

  absl::Status ReadVector(const sql::PredictionColumn& column, int64_t width,
                          std::vector<float> PredictionRow::*values) {
    return Read(column, width, [&](PredictionRow& row) {
      (row.*values).resize(static_cast<size_t>(width));
      return (row.*values).data();
    });
  }

 private:
  Connection& connection_;
  const std::vector<PredictionRanking::Entry>& entries_;
  std::vector<PredictionRow>& rows_;
};

absl::StatusOr<std::vector<PredictionRow>> ReadRows(
    Connection& connection, const std::vector<PredictionRanking::Entry>& entries,
    const PredictionSizes& sizes, bool with_samples) {
  std::vector<PredictionRow> rows(entries.size());
  if (rows.empty()) return rows;
  for (size_t i = 0; i < rows.size(); ++i) rows[i].image = entries[i].image;
  RowReader reader(connection, entries, rows);
  for (size_t i = 0; i < kImageFactCount; ++i) {
    RETURN_IF_ERROR(
        reader.Read(sql::kFactColumns[i], 1, [i](PredictionRow& row) { return &row.facts[i]; }));
  }
  for (size_t i = 0; i < kMeasureCount; ++i) {
    RETURN_IF_ERROR(reader.Read(sql::kMeasureColumns[i], 1,
                                [i](PredictionRow& row) { return &row.measures[i]; }));
  }
  RETURN_IF_ERROR(
      reader.ReadVector(sql::kProbabilityColumn, sizes.classes, &PredictionRow::probabilities));
  RETURN_IF_ERROR(
      reader.ReadVector(sql::kDeviationColumn, sizes.classes, &PredictionRow::deviations));
  RETURN_IF_ERROR(reader.ReadVector(sql::kDeterministicProbabilityColumn, sizes.classes,
                                    &PredictionRow::deterministic_probabilities));
  if (with_samples && sizes.kept_values() > 0) {
    RETURN_IF_ERROR(reader.ReadVector(sql::kSampleProbabilityColumn, sizes.kept_values(),
                                      &PredictionRow::sample_probabilities));
  }
  return rows;
}

}  // namespace

absl::StatusOr<PredictionPage> ReadPredictionPage(Connection& connection,
                                                  const PredictionQuery& query) {
  RETURN_IF_ERROR(CheckOrder(query.order));
  ASSIGN_OR_RETURN(const std::optional<PredictionSizes> sizes,
                   ReadPredictionSizes(connection, query.job_id));
  if (!sizes) return NoPredictions(connection, query.job_id);

  PredictionPage page;
  const int64_t limit = std::clamp<int64_t>(query.limit, 0, sizes->images);
  // One more than is returned, to know whether there are more.
  PredictionRanking ranking(query.order, query.after, static_cast<size_t>(limit) + 1);
  {
    NeededColumns needed(connection, query);
    std::vector<uint8_t> matches;
    ChunkScan scan(connection, query.job_id, *sizes);
    while (true) {
      ASSIGN_OR_RETURN(const std::optional<PredictionChunkPlace> chunk, scan.Next());
      if (!chunk) break;
      RETURN_IF_ERROR(needed.Read(*chunk));
      const PredictionColumns& columns = needed.columns();
      if (query.filter.matches_all()) {
        matches.assign(static_cast<size_t>(chunk->count), 1);
      } else {
        query.filter.Match(columns, matches);
      }
      page.total += std::accumulate(matches.begin(), matches.end(), int64_t{0});
      switch (query.order.by) {
        case By::kImage:
          ranking.Offer(*chunk, matches);
          break;
        case By::kFact:
          ranking.Offer(*chunk, columns.facts[query.order.column], matches);
          break;
        case By::kMeasure:
          ranking.Offer(*chunk, columns.measures[query.order.column], matches);
          break;
      }
    }
  }
  std::vector<PredictionRanking::Entry> entries = ranking.Take();
  page.more = static_cast<int64_t>(entries.size()) > limit;
  if (page.more) entries.resize(static_cast<size_t>(limit));
  ASSIGN_OR_RETURN(page.rows, ReadRows(connection, entries, *sizes, query.sample_probabilities));
  return page;
}

}  // namespace anneal
