// The predictions of one job, as a FakeStore keeps them: rows in memory, sorted whenever they are
// asked for.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/core/prediction.h"
#include "server/core/prediction_filter.h"
#include "storage/store.h"

namespace anneal {

// Promises of Store, less those about jobs and attempts. Not thread-safe.
class FakePredictions {
 public:
  explicit FakePredictions(PredictionSet set) : set_(std::move(set)) { set_.stored = 0; }

  const PredictionSet& set() const { return set_; }

  // Whether `other` asks for the same.
  bool Is(const PredictionSet& other) const {
    return set_.model_job_id == other.model_job_id &&
           set_.checkpoint_sha256 == other.checkpoint_sha256 && set_.dataset == other.dataset &&
           set_.split == other.split && set_.samples == other.samples && set_.seed == other.seed &&
           set_.consistent_masks == other.consistent_masks &&
           set_.keeps_samples == other.keeps_samples && set_.begin == other.begin &&
           set_.images == other.images && set_.class_names == other.class_names;
  }

  absl::Status Append(const PredictionChunk& chunk) {
    if (!HasItsSizes(chunk)) {
      return absl::InternalError(absl::StrCat("the chunk from image ", chunk.begin, " of job ",
                                              set_.job_id, " does not have the sizes of its set"));
    }
    const int64_t next = set_.begin + set_.stored;
    if (chunk.begin >= set_.begin && chunk.begin + chunk.count <= next) return absl::OkStatus();
    if (chunk.begin != next || chunk.begin + chunk.count > set_.begin + set_.images) {
      return absl::InternalError(absl::StrCat("images ", chunk.begin, " and ", chunk.count - 1,
                                              " more of job ", set_.job_id, " do not follow ",
                                              set_.stored, " of ", set_.images));
    }
    chunks_.push_back(chunk);
    set_.stored += chunk.count;
    return absl::OkStatus();
  }

  PredictionPage List(const PredictionQuery& query) const {
    std::vector<Found> found;
    std::vector<uint8_t> matches;
    for (const PredictionChunk& chunk : chunks_) {
      PredictionColumns columns;
      columns.begin = chunk.begin;
      columns.count = chunk.count;
      for (size_t i = 0; i < kImageFactCount; ++i) columns.facts[i] = chunk.facts[i].data();
      for (size_t i = 0; i < kMeasureCount; ++i) columns.measures[i] = chunk.measures[i].data();
      query.filter.Match(columns, matches);
      for (int64_t i = 0; i < chunk.count; ++i) {
        if (matches[static_cast<size_t>(i)] == 0) continue;
        found.push_back({Value(chunk, i, query.order), chunk.begin + i, &chunk, i});
      }
    }
    const auto before = [&query](const Found& a, const Found& b) {
      return IsBefore(a.value, a.image, b.value, b.image, query.order);
    };
    std::sort(found.begin(), found.end(), before);
    PredictionPage page;
    page.total = static_cast<int64_t>(found.size());
    for (const Found& one : found) {
      if (query.after.has_value() &&
          !IsBefore(query.after->value, query.after->image, one.value, one.image, query.order)) {
        continue;
      }
      if (static_cast<int64_t>(page.rows.size()) >= query.limit) {
        page.more = true;
        break;
      }
      page.rows.push_back(Row(*one.chunk, one.entry, query.sample_probabilities));
    }
    return page;
  }

  absl::Status Read(const std::function<absl::Status(const PredictionChunk&)>& visit) const {
    for (PredictionChunk chunk : chunks_) {
      chunk.deviations.clear();
      chunk.sample_probabilities.clear();
      if (absl::Status status = visit(chunk); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

 private:
  struct Found {
    double value = 0;
    int64_t image = 0;
    const PredictionChunk* chunk = nullptr;
    int64_t entry = 0;
  };

  bool HasItsSizes(const PredictionChunk& chunk) const {
    const auto has = [&chunk](const auto& column, int64_t times) {
      return static_cast<int64_t>(column.size()) == chunk.count * times;
    };
    return chunk.count >= 1 &&
           std::all_of(chunk.facts.begin(), chunk.facts.end(),
                       [&has](const auto& column) { return has(column, 1); }) &&
           std::all_of(chunk.measures.begin(), chunk.measures.end(),
                       [&has](const auto& column) { return has(column, 1); }) &&
           has(chunk.probabilities, set_.classes()) && has(chunk.deviations, set_.classes()) &&
           has(chunk.deterministic_probabilities, set_.classes()) &&
           has(chunk.sample_probabilities, set_.keeps_samples ? set_.samples * set_.classes() : 0);
  }

  static double Value(const PredictionChunk& chunk, int64_t entry, const PredictionOrder& order) {
    const auto i = static_cast<size_t>(entry);
    switch (order.by) {
      case PredictionOrder::By::kFact:
        return chunk.facts.at(order.column)[i];
      case PredictionOrder::By::kMeasure:
        return double{chunk.measures.at(order.column)[i]};
      case PredictionOrder::By::kImage:
        break;
    }
    return static_cast<double>(chunk.begin + entry);
  }

  static bool IsBefore(double a, int64_t image_a, double b, int64_t image_b,
                       const PredictionOrder& order) {
    if (order.by == PredictionOrder::By::kImage) {
      return order.descending ? image_a > image_b : image_a < image_b;
    }
    if (std::isnan(a) || std::isnan(b)) {
      if (std::isnan(a) && std::isnan(b)) return image_a < image_b;
      return std::isnan(b);
    }
    if (a != b) return order.descending ? a > b : a < b;
    return image_a < image_b;
  }

  PredictionRow Row(const PredictionChunk& chunk, int64_t entry, bool with_samples) const {
    PredictionRow row;
    row.image = chunk.begin + entry;
    const auto i = static_cast<size_t>(entry);
    for (size_t which = 0; which < kImageFactCount; ++which) {
      row.facts[which] = chunk.facts[which][i];
    }
    for (size_t which = 0; which < kMeasureCount; ++which) {
      row.measures[which] = chunk.measures[which][i];
    }
    const auto slice = [entry](const std::vector<float>& column, int64_t width) {
      const auto first = column.begin() + entry * width;
      return std::vector<float>(first, first + width);
    };
    row.probabilities = slice(chunk.probabilities, set_.classes());
    row.deviations = slice(chunk.deviations, set_.classes());
    row.deterministic_probabilities = slice(chunk.deterministic_probabilities, set_.classes());
    if (with_samples && set_.keeps_samples) {
      row.sample_probabilities = slice(chunk.sample_probabilities, set_.samples * set_.classes());
    }
    return row;
  }

  PredictionSet set_;
  std::vector<PredictionChunk> chunks_;
};

}  // namespace anneal
