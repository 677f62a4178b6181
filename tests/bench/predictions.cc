// What it costs to store predictions and to ask for them.
//
// Storing: 10,000 of 10 classes in chunks of 512 through the store, each chunk durable before the
// next, against the same rows in the same transactions by a plain program, and against a plain
// program with one row an image. They take turns; the best of several counts.
//
// Asking: pages of 50 rows of a million stored images, by every measure, from the beginning and
// from deep inside, under filters that nothing, one image, some and everything matches.
//
// usage: predictions [FOLDER [IMAGES]]   FOLDER: on the disk that is measured; default "."
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/core/clock.h"
#include "server/core/prediction.h"
#include "server/core/prediction_measures.h"
#include "storage/prediction_sql.h"
#include "storage/sqlite_store.h"
#include "tests/bench/plain_sqlite.h"

namespace anneal::bench {
namespace {

constexpr int64_t kClasses = 10;
constexpr int64_t kSamples = 20;
constexpr int64_t kChunk = 512;

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "predictions: %s\n", status.ToString().c_str());
  std::exit(1);
}

template <typename T>
T Value(absl::StatusOr<T> result) {
  Check(result.status());
  return *std::move(result);
}

template <typename F>
double Milliseconds(const F& what) {
  const auto begin = std::chrono::steady_clock::now();
  what();
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
      .count();
}

PredictionSet MakeSet(int64_t images) {
  PredictionSet set;
  set.samples = kSamples;
  set.images = images;
  for (int64_t i = 0; i < kClasses; ++i) set.class_names.push_back("class " + std::to_string(i));
  return set;
}

// Random values: what they mean does not matter here.
PredictionChunk MakeChunk(const PredictionSet& set, int64_t begin, std::mt19937& random) {
  PredictionChunk chunk = MakePredictionChunk(set, begin, std::min(kChunk, set.images - begin));
  std::uniform_int_distribution<int32_t> label(0, kClasses - 1);
  std::uniform_real_distribution<float> value;
  for (std::vector<int32_t>& column : chunk.facts) {
    for (int32_t& entry : column) entry = label(random);
  }
  const auto fill = [&](std::vector<float>& column) {
    for (float& entry : column) entry = value(random);
  };
  for (std::vector<float>& column : chunk.measures) fill(column);
  fill(chunk.probabilities);
  fill(chunk.deviations);
  fill(chunk.deterministic_probabilities);
  return chunk;
}

std::vector<PredictionChunk> MakeChunks(const PredictionSet& set) {
  std::mt19937 random(1);
  std::vector<PredictionChunk> chunks;
  for (int64_t begin = 0; begin < set.images; begin += kChunk) {
    chunks.push_back(MakeChunk(set, begin, random));
  }
  return chunks;
}

std::unique_ptr<SqliteStore> OpenStore(const std::string& path, const Clock& clock) {
  return Value(SqliteStore::Open(path, clock, {}));
}

void RemoveDatabase(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
}

// A running prediction job, number 1.
void BeginJob(SqliteStore& store, const PredictionSet& set) {
  NewJob job;
  job.kind = JobKind::kPrediction;
  const CreatedJob created = Value(store.CreateJob(job));
  Value(store.BeginAttempt(created.job.id, "bench"));
  Value(store.BeginPredictions(created.job.id, 1, set));
}

double StoreThroughStore(const std::string& path, const PredictionSet& set,
                         const std::vector<PredictionChunk>& chunks) {
  RemoveDatabase(path);
  const SystemClock clock;
  const auto store = OpenStore(path, clock);
  BeginJob(*store, set);
  return Milliseconds([&] {
    for (const PredictionChunk& chunk : chunks) Check(store->AppendPredictions(1, 1, chunk));
  });
}

double StoreThroughPlainSqlite(const std::string& path, const PredictionSet& set,
                               const std::vector<PredictionChunk>& chunks) {
  RemoveDatabase(path);
  {
    const SystemClock clock;
    BeginJob(*OpenStore(path, clock), set);
  }
  PlainSqlite database(path);
  sqlite3_stmt* const begin = database.Prepare("BEGIN IMMEDIATE");
  sqlite3_stmt* const commit = database.Prepare("COMMIT");
  sqlite3_stmt* const insert_chunk = database.Prepare(sql::kInsertPredictionChunk);
  std::vector<sqlite3_stmt*> insert_columns;
  for (const sql::PredictionColumn& column : sql::kFactColumns) {
    insert_columns.push_back(database.Prepare(column.insert));
  }
  for (const sql::PredictionColumn& column : sql::kMeasureColumns) {
    insert_columns.push_back(database.Prepare(column.insert));
  }
  for (const sql::PredictionColumn& column :
       {sql::kProbabilityColumn, sql::kDeviationColumn, sql::kDeterministicProbabilityColumn}) {
    insert_columns.push_back(database.Prepare(column.insert));
  }
  return Milliseconds([&] {
    for (const PredictionChunk& chunk : chunks) {
      database.Run(begin);
      sqlite3_bind_int64(insert_chunk, 1, 1);
      sqlite3_bind_int64(insert_chunk, 2, chunk.begin);
      sqlite3_bind_int64(insert_chunk, 3, chunk.count);
      database.Run(insert_chunk);
      const int64_t id = database.LastRow();
      size_t next = 0;
      const auto insert = [&](const auto& values) {
        sqlite3_stmt* const statement = insert_columns[next++];
        sqlite3_bind_int64(statement, 1, id);
        database.BindBlob(statement, 2, values.data(), values.size());
        database.Run(statement);
      };
      for (const auto& values : chunk.facts) insert(values);
      for (const auto& values : chunk.measures) insert(values);
      insert(chunk.probabilities);
      insert(chunk.deviations);
      insert(chunk.deterministic_probabilities);
      database.Run(commit);
    }
  });
}

double StoreRowByRow(const std::string& path, const std::vector<PredictionChunk>& chunks) {
  RemoveDatabase(path);
  PlainSqlite database(path);
  database.Execute(
      "CREATE TABLE predictions (job_id INTEGER, image INTEGER, label INTEGER, predicted INTEGER, "
      "deterministic_predicted INTEGER, confidence REAL, entropy REAL, expected_entropy REAL, "
      "mutual_information REAL, variation_ratio REAL, margin REAL, nll REAL, brier REAL, "
      "probabilities BLOB, deviations BLOB, deterministic_probabilities BLOB, "
      "PRIMARY KEY (job_id, image)) STRICT, WITHOUT ROWID");
  sqlite3_stmt* const begin = database.Prepare("BEGIN IMMEDIATE");
  sqlite3_stmt* const commit = database.Prepare("COMMIT");
  sqlite3_stmt* const insert = database.Prepare(
      "INSERT INTO predictions VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, "
      "?14, ?15)");
  return Milliseconds([&] {
    for (const PredictionChunk& chunk : chunks) {
      database.Run(begin);
      for (size_t i = 0; i < static_cast<size_t>(chunk.count); ++i) {
        int number = 1;
        sqlite3_bind_int64(insert, number++, chunk.begin + static_cast<int64_t>(i));
        for (const auto& values : chunk.facts) sqlite3_bind_int64(insert, number++, values[i]);
        for (const auto& values : chunk.measures) {
          sqlite3_bind_double(insert, number++, double{values[i]});
        }
        for (const auto* values :
             {&chunk.probabilities, &chunk.deviations, &chunk.deterministic_probabilities}) {
          database.BindBlob(insert, number++, values->data() + i * kClasses, kClasses);
        }
        database.Run(insert);
      }
      database.Run(commit);
    }
  });
}

void MeasureStoring(const std::string& folder) {
  const PredictionSet set = MakeSet(10'000);
  const std::vector<PredictionChunk> chunks = MakeChunks(set);
  const std::string path = folder + "/storing.db";
  double store_ms = 1e9;
  double plain_ms = 1e9;
  double rows_ms = 1e9;
  for (int round = 0; round < 15; ++round) {
    store_ms = std::min(store_ms, StoreThroughStore(path, set, chunks));
    plain_ms = std::min(plain_ms, StoreThroughPlainSqlite(path, set, chunks));
    rows_ms = std::min(rows_ms, StoreRowByRow(path, chunks));
  }
  RemoveDatabase(path);
  std::printf("storing %lld predictions, %lld classes, %zu durable chunks (best of 15):\n",
              static_cast<long long>(set.images), static_cast<long long>(kClasses), chunks.size());
  std::printf("  store                               %8.2f ms\n", store_ms);
  std::printf("  plain SQLite, same rows             %8.2f ms   store / plain %.2f\n", plain_ms,
              store_ms / plain_ms);
  std::printf("  plain SQLite, one row an image      %8.2f ms   store / plain %.2f\n", rows_ms,
              store_ms / rows_ms);
}

// Times of one kind of query.
class Timer {
 public:
  Timer(SqliteStore& store, std::vector<double>& all) : store_(store), all_(all) {}

  PredictionPage Run(const std::string& name, const PredictionQuery& query) {
    PredictionPage page;
    std::vector<double> times;
    for (int i = 0; i < 9; ++i) {
      times.push_back(Milliseconds([&] { page = Value(store_.ListPredictions(query)); }));
    }
    std::sort(times.begin(), times.end());
    all_.insert(all_.end(), times.begin(), times.end());
    std::printf("  %-58s %8.2f %8.2f %8.2f  %8lld\n", name.c_str(), times.front(),
                times[times.size() / 2], times.back(), static_cast<long long>(page.total));
    return page;
  }

 private:
  SqliteStore& store_;
  std::vector<double>& all_;
};

void MeasureAsking(const std::string& folder, int64_t images) {
  const std::string path = folder + "/asking.db";
  RemoveDatabase(path);
  const SystemClock clock;
  const auto store = OpenStore(path, clock);
  const PredictionSet set = MakeSet(images);
  BeginJob(*store, set);
  std::mt19937 random(2);
  double storing_ms = 0;
  for (int64_t begin = 0; begin < images; begin += kChunk) {
    const PredictionChunk chunk = MakeChunk(set, begin, random);
    storing_ms += Milliseconds([&] { Check(store->AppendPredictions(1, 1, chunk)); });
  }
  std::printf(
      "\nasking %lld predictions (stored in %.1f s), pages of 50: best, median, worst ms of "
      "9; matches\n",
      static_cast<long long>(images), storing_ms / 1e3);

  std::vector<double> all;
  Timer timer(*store, all);
  const auto filter = [&](const std::string& text) {
    return Value(PredictionFilter::Parse(text, set.class_names));
  };
  const auto by = [](Measure measure, bool descending) {
    return PredictionOrder{PredictionOrder::By::kMeasure, static_cast<size_t>(measure), descending};
  };
  PredictionQuery query;
  query.job_id = 1;
  timer.Run("all, by image", query);
  query.after = PredictionCursor{0, images - 100};
  timer.Run("all, by image, the last", query);
  query.after.reset();
  query.order.descending = true;
  timer.Run("all, by image, descending", query);
  query.order = {PredictionOrder::By::kFact, static_cast<size_t>(ImageFact::kPredicted), false};
  timer.Run("all, by predicted", query);

  for (const Measure measure : kAllMeasures) {
    const std::string name(MeasureName(measure));
    query.order = by(measure, true);
    timer.Run("all, by " + name + ", descending", query);
    query.order = by(measure, false);
    timer.Run("all, by " + name, query);
    query.after = PredictionCursor{0.5, 0};  // values are uniform in [0, 1)
    timer.Run("all, by " + name + ", from the middle", query);
    query.after = PredictionCursor{0.9999, 0};
    timer.Run("all, by " + name + ", the last", query);
    query.after.reset();
  }
  query.order = by(Measure::kEntropy, true);
  for (const char* text :
       {"wrong", "right", "entropy > 2", "entropy >= 0", "image = 777777", "confidence < 0.5",
        "wrong and confidence > 0.9", "label = 3 and predicted = 5",
        "not (label = 3 or predicted = 5) and mutual_information > 0.1 and margin < 0.9",
        "wrong and nll > 0.5 and brier > 0.5 and margin < 0.5 and variation_ratio > 0.5"}) {
    query.filter = filter(text);
    timer.Run(std::string(text) + ", by entropy", query);
  }
  query.filter = filter("wrong");
  query.after = PredictionCursor{0.3, 0};
  timer.Run("wrong, by entropy, from deep inside", query);
  query.after.reset();
  query.order = {};
  timer.Run("wrong, by image", query);
  query.filter = {};
  query.order = by(Measure::kEntropy, true);
  query.limit = 1'000;
  timer.Run("all, by entropy, 1000 rows", query);

  std::sort(all.begin(), all.end());
  std::printf("  %-58s %8.2f %8.2f %8.2f\n", "every query", all.front(), all[all.size() / 2],
              all.back());
  std::printf(
      "  reading every chunk: %.1f ms\n", Milliseconds([&] {
        Check(store->ReadPredictions(1, [](const PredictionChunk&) { return absl::OkStatus(); }));
      }));
  Value(store->EndAttempt(1, 1, AttemptEnd{}));
  std::printf("  deleting the job: %.1f ms\n", Milliseconds([&] { Value(store->DeleteJob(1)); }));
}

}  // namespace
}  // namespace anneal::bench

int main(int argc, char** argv) {
  const std::string folder = argc > 1 ? argv[1] : ".";
  const int64_t images = argc > 2 ? std::atoll(argv[2]) : 1'000'000;
  if (images < 1) {
    std::fprintf(stderr, "predictions: IMAGES is at least 1\n");
    return 2;
  }
  const std::string scratch = folder + "/predictions-bench";
  std::filesystem::create_directories(scratch);
  anneal::bench::MeasureStoring(scratch);
  anneal::bench::MeasureAsking(scratch, images);
  std::filesystem::remove_all(scratch);
  return 0;
}
