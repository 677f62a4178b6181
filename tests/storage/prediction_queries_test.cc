// Lists of predictions against a list that is filtered and sorted here, with SQLite and in memory;
// and what a damaged database answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "tests/storage/prediction_test_support.h"
#include "tests/support/fake_store.h"

namespace anneal {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

using By = PredictionOrder::By;

// A filter, and the same in C++.
struct Filter {
  std::string text;
  std::function<bool(const PredictionRow&)> matches;
};

std::vector<Filter> Filters() {
  return {{"", [](const PredictionRow&) { return true; }},
          {"wrong",
           [](const PredictionRow& row) {
             return row.fact(ImageFact::kLabel) != row.fact(ImageFact::kPredicted);
           }},
          {"predicted = 2 and confidence > 0.25",
           [](const PredictionRow& row) {
             return row.fact(ImageFact::kPredicted) == 2 &&
                    row.measure(Measure::kConfidence) > 0.25F;
           }},
          {"image = 777", [](const PredictionRow& row) { return row.image == 777; }},
          {"deterministic_predicted > 0 or image < 200",
           [](const PredictionRow& row) {
             return row.fact(ImageFact::kDeterministicPredicted) > 0 || row.image < 200;
           }},
          {"label = 1 and label = 2", [](const PredictionRow&) { return false; }}};
}

std::vector<PredictionOrder> Orders() {
  std::vector<PredictionOrder> orders;
  for (const bool descending : {false, true}) {
    orders.push_back({By::kImage, 0, descending});
    for (size_t i = 0; i < kImageFactCount; ++i) orders.push_back({By::kFact, i, descending});
    for (size_t i = 0; i < kMeasureCount; ++i) orders.push_back({By::kMeasure, i, descending});
  }
  return orders;
}

double ValueOf(const PredictionRow& row, const PredictionOrder& order) {
  switch (order.by) {
    case By::kFact:
      return row.facts[order.column];
    case By::kMeasure:
      return double{row.measures[order.column]};
    case By::kImage:
      break;
  }
  return static_cast<double>(row.image);
}

// What the contract says, by sorting everything: numbers before NaN, then by image.
std::vector<PredictionRow> Sorted(std::vector<PredictionRow> rows, const PredictionOrder& order) {
  std::sort(rows.begin(), rows.end(),
            [](const PredictionRow& a, const PredictionRow& b) { return a.image < b.image; });
  std::stable_sort(rows.begin(), rows.end(), [&](const PredictionRow& a, const PredictionRow& b) {
    const double x = ValueOf(a, order);
    const double y = ValueOf(b, order);
    if (std::isnan(x) || std::isnan(y)) return !std::isnan(x) && std::isnan(y);
    return order.descending ? x > y : x < y;
  });
  return rows;
}

class PredictionQueriesTest : public PredictionStoreTest {
 protected:
  PredictionQuery Query(JobId id, const std::string& filter = "") {
    PredictionQuery query;
    query.job_id = id;
    const auto parsed = PredictionFilter::Parse(filter, store_->GetPredictionSet(id)->class_names);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    query.filter = *parsed;
    return query;
  }

  // Damages what is stored, behind the store's back.
  void Damage(const std::string& sql) {
    store_.reset();
    {
      SQLite::Database database(path_, SQLite::OPEN_READWRITE);
      database.exec("PRAGMA foreign_keys = ON");
      database.exec(sql);
    }
    Open();
  }
};

// All pages, one after the other, each from where the one before ended.
void ExpectPages(Store& store, PredictionQuery query, const std::vector<PredictionRow>& expected) {
  size_t next = 0;
  while (true) {
    const auto page = store.ListPredictions(query);
    ASSERT_TRUE(page.ok()) << page.status();
    ASSERT_EQ(page->total, static_cast<int64_t>(expected.size()));
    ASSERT_LE(page->rows.size(), static_cast<size_t>(query.limit));
    for (const PredictionRow& row : page->rows) {
      ASSERT_LT(next, expected.size());
      ASSERT_EQ(Describe(row), Describe(expected[next])) << "at " << next;
      ++next;
    }
    ASSERT_EQ(page->more, next < expected.size());
    if (!page->more) return;
    ASSERT_EQ(page->rows.size(), static_cast<size_t>(query.limit));
    query.after =
        PredictionCursor{ValueOf(page->rows.back(), query.order), page->rows.back().image};
  }
}

TEST_F(PredictionQueriesTest, EveryOrderUnderEveryFilterInPagesOfEverySize) {
  const PredictionSet set = MakePredictionSet(1'000, 3, 2, true);
  const std::vector<PredictionChunk> chunks = MakeRandomChunks(set, 90);
  const JobId id = Store(set, chunks);
  FakeStore fake(clock_);
  ASSERT_EQ(fake.CreateJob(MakeJob())->job.id, 1);
  ASSERT_TRUE(fake.BeginAttempt(1, "cpu").ok());
  ASSERT_TRUE(fake.BeginPredictions(1, 1, set).ok());
  std::vector<PredictionRow> rows;
  for (const PredictionChunk& chunk : chunks) {
    ASSERT_TRUE(fake.AppendPredictions(1, 1, chunk).ok());
    for (int64_t image = chunk.begin; image < chunk.begin + chunk.count; ++image) {
      rows.push_back(RowOf(set, chunk, image, true));
    }
  }
  for (const Filter& filter : Filters()) {
    std::vector<PredictionRow> matching;
    std::copy_if(rows.begin(), rows.end(), std::back_inserter(matching), filter.matches);
    for (const PredictionOrder& order : Orders()) {
      const std::vector<PredictionRow> expected = Sorted(matching, order);
      PredictionQuery query = Query(id, filter.text);
      query.order = order;
      query.sample_probabilities = true;
      for (const int64_t limit : {7, 333, 2'000}) {
        SCOPED_TRACE(filter.text + " by " + std::to_string(static_cast<int>(order.by)) + " " +
                     std::to_string(order.column) + (order.descending ? " descending" : "") +
                     " in " + std::to_string(limit));
        query.limit = limit;
        query.job_id = id;
        ASSERT_NO_FATAL_FAILURE(ExpectPages(*store_, query, expected));
        query.job_id = 1;
        ASSERT_NO_FATAL_FAILURE(ExpectPages(fake, query, expected));
      }
    }
  }
}

TEST_F(PredictionQueriesTest, OneImageAPageAmongEquals) {
  PredictionSet set = MakePredictionSet(60);
  std::vector<PredictionChunk> chunks = MakeRandomChunks(set, 25);
  std::vector<PredictionRow> rows;
  for (PredictionChunk& chunk : chunks) {
    for (float& value : chunk.measure(Measure::kEntropy)) value = 0.5F;
    for (int64_t image = chunk.begin; image < chunk.begin + chunk.count; ++image) {
      rows.push_back(RowOf(set, chunk, image, false));
    }
  }
  PredictionQuery query;
  query.job_id = Store(set, chunks);
  query.limit = 1;
  for (const bool descending : {false, true}) {
    query.order = {By::kMeasure, static_cast<size_t>(Measure::kEntropy), descending};
    ExpectPages(*store_, query, rows);
  }
}

TEST_F(PredictionQueriesTest, LimitsOfEveryKind) {
  const PredictionSet set = MakePredictionSet(20);
  PredictionQuery query;
  query.job_id = Store(set, MakeRandomChunks(set, 7));
  for (const int64_t limit : {int64_t{0}, int64_t{-1}, std::numeric_limits<int64_t>::min()}) {
    query.limit = limit;
    const auto page = store_->ListPredictions(query);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_THAT(page->rows, IsEmpty());
    EXPECT_EQ(page->total, 20);
    EXPECT_TRUE(page->more);
  }
  for (const int64_t limit : {int64_t{20}, std::numeric_limits<int64_t>::max()}) {
    query.limit = limit;
    const auto page = store_->ListPredictions(query);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_THAT(page->rows, SizeIs(20));
    EXPECT_FALSE(page->more);
  }
  query.limit = 19;
  EXPECT_TRUE(store_->ListPredictions(query)->more);
}

// Cursors that no page has given: an answer in order, never a crash.
TEST_F(PredictionQueriesTest, CursorsFromNowhere) {
  const PredictionSet set = MakePredictionSet(200);
  PredictionQuery query;
  query.job_id = Store(set, MakeRandomChunks(set, 50));
  query.limit = 500;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const PredictionOrder& order : Orders()) {
    query.order = order;
    for (const double value : {0.3, -1e300, 1e300, kInfinity, -kInfinity, std::nan("")}) {
      for (const int64_t image : {int64_t{150}, int64_t{-1}, std::numeric_limits<int64_t>::min(),
                                  std::numeric_limits<int64_t>::max()}) {
        query.after = PredictionCursor{value, image};
        const auto page = store_->ListPredictions(query);
        ASSERT_TRUE(page.ok()) << page.status();
        EXPECT_EQ(page->total, 200);
        EXPECT_FALSE(page->more);
        const std::vector<PredictionRow> sorted = Sorted(page->rows, order);
        for (size_t i = 0; i < sorted.size(); ++i) {
          ASSERT_EQ(page->rows[i].image, sorted[i].image);
        }
      }
    }
  }
}

TEST_F(PredictionQueriesTest, ThereIsNoSuchColumn) {
  const PredictionSet set = MakePredictionSet(20);
  PredictionQuery query;
  query.job_id = Store(set, MakeRandomChunks(set, 7));
  query.order = {By::kFact, kImageFactCount, false};
  EXPECT_EQ(Code(store_->ListPredictions(query)), absl::StatusCode::kInternal);
  query.order = {By::kMeasure, kMeasureCount, true};
  EXPECT_EQ(Code(store_->ListPredictions(query)), absl::StatusCode::kInternal);
  query.order = {By::kMeasure, std::numeric_limits<size_t>::max(), true};
  EXPECT_EQ(Code(store_->ListPredictions(query)), absl::StatusCode::kInternal);
}

TEST_F(PredictionQueriesTest, SamplesWhereAskedForAndKept) {
  for (const bool kept : {false, true}) {
    const PredictionSet set = MakePredictionSet(20, 3, 4, kept);
    PredictionQuery query;
    query.job_id = Store(set, MakeRandomChunks(set, 7));
    for (const bool asked : {false, true}) {
      query.sample_probabilities = asked;
      const auto page = store_->ListPredictions(query);
      ASSERT_TRUE(page.ok()) << page.status();
      for (const PredictionRow& row : page->rows) {
        EXPECT_THAT(row.sample_probabilities, SizeIs(kept && asked ? 12 : 0));
      }
    }
  }
}

// While it runs, what is stored so far.
TEST_F(PredictionQueriesTest, WhatIsStoredSoFar) {
  const PredictionSet set = MakePredictionSet(30);
  const std::vector<PredictionChunk> chunks = MakeRandomChunks(set, 10);
  PredictionQuery query;
  query.job_id = Begin(set);
  for (size_t i = 0; i < chunks.size(); ++i) {
    ASSERT_TRUE(store_->AppendPredictions(query.job_id, 1, chunks[i]).ok());
    EXPECT_EQ(store_->ListPredictions(query)->total, static_cast<int64_t>(i + 1) * 10);
  }
}

// Rows that are gone, too short, too long, or of no chunk: DATA_LOSS, which names the column.
TEST_F(PredictionQueriesTest, DamageIsDataLoss) {
  const PredictionSet set = MakePredictionSet(30, 3, 4, true);
  const std::vector<PredictionChunk> chunks = MakeRandomChunks(set, 10);
  for (const std::string& table : ColumnTables()) {
    for (const char* change :
         {"UPDATE %s SET data = CAST(substr(data, 2) AS BLOB) WHERE chunk_id = ",
          "DELETE FROM %s WHERE chunk_id = ",
          "UPDATE %s SET data = CAST(data || x'00000000' AS BLOB) WHERE chunk_id = ",
          "UPDATE %s SET data = x'' WHERE chunk_id = "}) {
      const JobId id = Store(set, chunks);
      std::string sql = change;
      sql.replace(sql.find("%s"), 2, table);
      Damage(sql + "(SELECT id FROM prediction_chunks WHERE begin = 110 AND job_id = " +
             std::to_string(id) + ")");
      PredictionQuery query;
      query.job_id = id;
      query.limit = 30;
      query.sample_probabilities = true;
      const auto page = store_->ListPredictions(query);
      EXPECT_EQ(Code(page), absl::StatusCode::kDataLoss) << sql;
      EXPECT_TRUE(Says(page.status(), table)) << page.status();
      // What does not need it goes on.
      query.limit = 5;
      EXPECT_TRUE(store_->ListPredictions(query).ok()) << sql;
      const bool is_read =
          table != "predictions_deviations" && table != "predictions_sample_probabilities";
      EXPECT_EQ(Code(store_->ReadPredictions(
                    id, [](const PredictionChunk&) { return absl::OkStatus(); })),
                is_read ? absl::StatusCode::kDataLoss : absl::StatusCode::kOk)
          << sql;
    }
  }
  // The first job has its damage among the labels of its second chunk.
  PredictionQuery query;
  query.job_id = 1;
  query.limit = 1;
  EXPECT_TRUE(store_->ListPredictions(query).ok());
  query.order = {By::kFact, static_cast<size_t>(ImageFact::kLabel), false};
  EXPECT_EQ(Code(store_->ListPredictions(query)), absl::StatusCode::kDataLoss);
}

// Bytes of the file that change under an open store: an answer or DATA_LOSS, never a crash.
TEST_F(PredictionQueriesTest, RandomDamage) {
  const PredictionSet set = MakePredictionSet(2'000, 10, 3, true);
  PredictionQuery query;
  query.job_id = Store(set, MakeRandomChunks(set, 500));
  query.limit = 2'000;
  query.sample_probabilities = true;
  query.order = {By::kMeasure, 1, true};
  store_.reset();  // puts the log away
  const std::string whole = ReadFile(path_);
  std::mt19937 random(1);
  std::uniform_int_distribution<size_t> position(4'096, whole.size() - 1);
  std::uniform_int_distribution<int> value(0, 255);
  int damaged = 0;
  for (int round = 0; round < 60; ++round) {
    WriteFile(path_, whole);
    Open();
    std::string bytes = whole;
    for (int i = 0; i < 300; ++i) bytes[position(random)] = static_cast<char>(value(random));
    WriteFile(path_, bytes);
    const auto page = store_->ListPredictions(query);
    const absl::Status read = store_->ReadPredictions(
        query.job_id, [](const PredictionChunk&) { return absl::OkStatus(); });
    for (const absl::Status& status : {page.status(), read}) {
      EXPECT_TRUE(status.ok() || Code(status) == absl::StatusCode::kDataLoss) << status;
      if (!status.ok()) ++damaged;
    }
    store_.reset();
  }
  EXPECT_GT(damaged, 0);
}

TEST_F(PredictionQueriesTest, DamagedSetsAndChunks) {
  const PredictionSet set = MakePredictionSet(30);
  const std::vector<PredictionChunk> chunks = MakeRandomChunks(set, 10);
  for (const std::string sql :
       {"UPDATE prediction_chunks SET begin = 111 WHERE begin = 110",
        "UPDATE prediction_chunks SET count = 9 WHERE begin = 110",
        "UPDATE prediction_chunks SET count = 11 WHERE begin = 120",
        "UPDATE prediction_chunks SET count = 9223372036854775807 WHERE begin = 120",
        "UPDATE prediction_sets SET images = 29", "UPDATE prediction_sets SET begin = 99",
        "DELETE FROM prediction_classes", "DELETE FROM prediction_chunks WHERE begin = 100",
        "DELETE FROM prediction_classes WHERE class = 2"}) {
    const JobId id = Store(set, chunks);
    Damage(sql);
    PredictionQuery query;
    query.job_id = id;
    EXPECT_EQ(Code(store_->ListPredictions(query)), absl::StatusCode::kDataLoss) << sql;
    EXPECT_EQ(
        Code(store_->ReadPredictions(id, [](const PredictionChunk&) { return absl::OkStatus(); })),
        absl::StatusCode::kDataLoss)
        << sql;
    End(id, JobState::kFailed);
    EXPECT_TRUE(store_->DeleteJob(id).ok());
  }
}

}  // namespace
}  // namespace anneal
