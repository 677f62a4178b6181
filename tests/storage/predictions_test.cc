// Predictions are begun, appended to, read back and deleted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <thread>

#include "storage/prediction_sql.h"
#include "tests/storage/prediction_test_support.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

std::string DescribeSet(const PredictionSet& set) {
  std::string text = std::to_string(set.job_id) + " " + std::to_string(set.model_job_id) + " " +
                     set.checkpoint_sha256 + " " + set.dataset + " " + set.split + " " +
                     std::to_string(set.samples) + " " + std::to_string(set.seed) + " " +
                     std::to_string(set.consistent_masks) + std::to_string(set.keeps_samples) +
                     " " + std::to_string(set.begin) + " " + std::to_string(set.images) + " " +
                     std::to_string(set.stored);
  for (const std::string& name : set.class_names) text += " '" + name + "'";
  return text;
}

// As ReadPredictions gives it.
PredictionChunk Summarized(PredictionChunk chunk) {
  chunk.deviations.clear();
  chunk.sample_probabilities.clear();
  return chunk;
}

class PredictionsTest : public PredictionStoreTest {
 protected:
  void ExpectStored(JobId id, const std::vector<PredictionChunk>& chunks) {
    const std::vector<PredictionChunk> stored = ReadAll(*store_, id);
    ASSERT_EQ(stored.size(), chunks.size());
    int64_t images = 0;
    for (size_t i = 0; i < chunks.size(); ++i) {
      EXPECT_EQ(Describe(stored[i]), Describe(Summarized(chunks[i])));
      images += chunks[i].count;
    }
    EXPECT_EQ(store_->GetPredictionSet(id)->stored, images);
  }
};

TEST_F(PredictionsTest, TheSetIsKeptAsItWasBegun) {
  PredictionSet set = MakePredictionSet(1000, 3, 100, true);
  set.consistent_masks = true;
  set.class_names = {"", "Häuser 家 ' \"", std::string("nul\0inside", 10)};
  set.job_id = 55;   // the store knows better
  set.stored = 123;  // and this too
  const JobId id = Begin(set);
  set.job_id = id;
  set.stored = 0;
  const auto stored = store_->GetPredictionSet(id);
  ASSERT_TRUE(stored.ok()) << stored.status();
  EXPECT_EQ(DescribeSet(*stored), DescribeSet(set));
  ASSERT_TRUE(store_->AppendPredictions(id, 1, MakeRandomChunk(set, 100, 10)).ok());
  set.stored = 10;
  EXPECT_EQ(DescribeSet(*store_->GetPredictionSet(id)), DescribeSet(set));
  Open();
  EXPECT_EQ(DescribeSet(*store_->GetPredictionSet(id)), DescribeSet(set));
}

TEST_F(PredictionsTest, EveryBitComesBack) {
  for (const bool keeps_samples : {false, true}) {
    const PredictionSet set = MakePredictionSet(700, 5, 3, keeps_samples);
    const std::vector<PredictionChunk> chunks = MakeRandomChunks(set, 256);
    const JobId id = Store(set, chunks);
    ExpectStored(id, chunks);
    Open();
    ExpectStored(id, chunks);
    // Deviations and samples, which a list has.
    PredictionQuery query;
    query.job_id = id;
    query.limit = 1000;
    query.sample_probabilities = true;
    const auto page = store_->ListPredictions(query);
    ASSERT_TRUE(page.ok()) << page.status();
    ASSERT_THAT(page->rows, SizeIs(700));
    for (const PredictionChunk& chunk : chunks) {
      for (int64_t image = chunk.begin; image < chunk.begin + chunk.count; ++image) {
        EXPECT_EQ(Describe(page->rows[static_cast<size_t>(image - set.begin)]),
                  Describe(RowOf(set, chunk, image, keeps_samples)));
      }
    }
  }
}

TEST_F(PredictionsTest, ChunksOfAnySize) {
  const PredictionSet set = MakePredictionSet(1 + 2 + 600 + 7);
  std::vector<PredictionChunk> chunks;
  int64_t begin = set.begin;
  for (const int64_t count : {1, 2, 600, 7}) {
    chunks.push_back(MakeRandomChunk(set, begin, count));
    begin += count;
  }
  ExpectStored(Store(set, chunks), chunks);
}

TEST_F(PredictionsTest, OneImageOfOneClassWithoutSamples) {
  const PredictionSet set = MakePredictionSet(1, 1, 0, true);
  const std::vector<PredictionChunk> chunks = MakeRandomChunks(set, 1);
  const JobId id = Store(set, chunks);
  ExpectStored(id, chunks);
  PredictionQuery query;
  query.job_id = id;
  query.sample_probabilities = true;
  const auto page = store_->ListPredictions(query);
  ASSERT_TRUE(page.ok()) << page.status();
  ASSERT_THAT(page->rows, SizeIs(1));
  EXPECT_THAT(page->rows[0].sample_probabilities, IsEmpty());
}

TEST_F(PredictionsTest, AppendingTellsNobody) {
  const PredictionSet set = MakePredictionSet(10);
  const JobId id = Store(set, MakeRandomChunks(set, 5));
  EXPECT_THAT(Events(id), SizeIs(2));  // QUEUED, RUNNING
}

TEST_F(PredictionsTest, WhatIsStoredAlreadyIsNotStoredAgain) {
  const PredictionSet set = MakePredictionSet(30);
  const std::vector<PredictionChunk> chunks = MakeRandomChunks(set, 10);
  const JobId id = Begin(set);
  ASSERT_TRUE(store_->AppendPredictions(id, 1, chunks[0]).ok());
  ASSERT_TRUE(store_->AppendPredictions(id, 1, chunks[1]).ok());
  PredictionChunk other = chunks[0];
  other.fact(ImageFact::kLabel)[3] ^= 1;
  for (const PredictionChunk& again :
       {chunks[1], chunks[0], other, MakeRandomChunk(set, 103, 2), MakeRandomChunk(set, 105, 10)}) {
    const absl::Status status = store_->AppendPredictions(id, 1, again);
    EXPECT_TRUE(status.ok()) << status;
  }
  ExpectStored(id, {chunks[0], chunks[1]});
  ASSERT_TRUE(store_->AppendPredictions(id, 1, chunks[2]).ok());
  ExpectStored(id, chunks);
  EXPECT_TRUE(store_->AppendPredictions(id, 1, chunks[2]).ok());
  ExpectStored(id, chunks);
}

TEST_F(PredictionsTest, AnotherAttemptGoesOn) {
  const PredictionSet set = MakePredictionSet(30);
  const std::vector<PredictionChunk> chunks = MakeRandomChunks(set, 10);
  const JobId id = Begin(set);
  ASSERT_TRUE(store_->AppendPredictions(id, 1, chunks[0]).ok());
  End(id, JobState::kQueued);
  EXPECT_EQ(Code(store_->AppendPredictions(id, 1, chunks[1])), absl::StatusCode::kAborted);
  ASSERT_TRUE(store_->BeginAttempt(id, "cpu").ok());
  EXPECT_EQ(Code(store_->AppendPredictions(id, 1, chunks[1])), absl::StatusCode::kAborted);
  PredictionSet asked = set;
  asked.stored = 99;  // ignored
  EXPECT_EQ(*store_->BeginPredictions(id, 2, asked), 10);
  ASSERT_TRUE(store_->AppendPredictions(id, 2, chunks[1]).ok());
  EXPECT_EQ(*store_->BeginPredictions(id, 2, asked), 20);
  ASSERT_TRUE(store_->AppendPredictions(id, 2, chunks[2]).ok());
  ExpectStored(id, chunks);
}

TEST_F(PredictionsTest, OtherPredictionsAreNotBegun) {
  const PredictionSet set = MakePredictionSet(30);
  const JobId id = Begin(set);
  std::vector<PredictionSet> others(12, set);
  others[0].model_job_id = 8;
  others[1].checkpoint_sha256 = "ab13";
  others[2].dataset = "mnist";
  others[3].split = "train";
  others[4].samples += 1;
  others[5].seed ^= uint64_t{1} << 63;
  others[6].consistent_masks = true;
  others[7].keeps_samples = true;
  others[8].begin += 1;
  others[9].images -= 1;
  others[10].class_names[1] = "another";
  others[11].class_names.push_back("one more");
  for (size_t i = 0; i < others.size(); ++i) {
    const auto refused = store_->BeginPredictions(id, 1, others[i]);
    EXPECT_EQ(Code(refused), absl::StatusCode::kFailedPrecondition) << i;
    EXPECT_TRUE(Says(refused.status(), "has begun other predictions")) << refused.status();
  }
  EXPECT_EQ(*store_->BeginPredictions(id, 1, set), 0);
}

TEST_F(PredictionsTest, NothingIsBegunThatIsNone) {
  const JobId id = Create();
  ASSERT_TRUE(store_->BeginAttempt(id, "cpu").ok());
  std::vector<PredictionSet> wrong(6, MakePredictionSet(30));
  wrong[0].images = 0;
  wrong[1].images = -1;
  wrong[2].begin = -1;
  wrong[3].samples = -1;
  wrong[4].class_names.clear();
  wrong[5].images = std::numeric_limits<int64_t>::max();  // with `begin`, beyond all numbers
  for (size_t i = 0; i < wrong.size(); ++i) {
    EXPECT_EQ(Code(store_->BeginPredictions(id, 1, wrong[i])), absl::StatusCode::kInternal) << i;
  }
  EXPECT_EQ(Code(store_->GetPredictionSet(id)), absl::StatusCode::kNotFound);
  EXPECT_EQ(Count("prediction_classes"), 0);
}

TEST_F(PredictionsTest, OnlyInTheOpenAttemptOfAnActiveJob) {
  const PredictionSet set = MakePredictionSet(30);
  const PredictionChunk chunk = MakeRandomChunk(set, 100, 10);
  for (const JobState state : kAllJobStates) {
    const JobId id = CreateIn(state);
    const auto begun = store_->BeginPredictions(id, 1, set);
    const absl::Status appended = store_->AppendPredictions(id, 1, chunk);
    if (IsActive(state)) {
      EXPECT_TRUE(begun.ok()) << begun.status();
      EXPECT_TRUE(appended.ok()) << appended;
      EXPECT_EQ(Code(store_->BeginPredictions(id, 2, set)), absl::StatusCode::kAborted);
      EXPECT_EQ(Code(store_->AppendPredictions(id, 2, MakeRandomChunk(set, 110, 5))),
                absl::StatusCode::kAborted);
      EXPECT_EQ(store_->GetPredictionSet(id)->stored, 10);
    } else {
      EXPECT_EQ(Code(begun), absl::StatusCode::kAborted) << JobStateName(state);
      EXPECT_EQ(Code(appended), absl::StatusCode::kAborted) << JobStateName(state);
      EXPECT_EQ(Code(store_->GetPredictionSet(id)), absl::StatusCode::kNotFound);
    }
  }
  EXPECT_EQ(Code(store_->BeginPredictions(99, 1, set)), absl::StatusCode::kNotFound);
  EXPECT_EQ(Code(store_->AppendPredictions(99, 1, chunk)), absl::StatusCode::kNotFound);
}

TEST_F(PredictionsTest, OnlyWhatFollowsAndFits) {
  const PredictionSet set = MakePredictionSet(30);
  const JobId none = Create();
  ASSERT_TRUE(store_->BeginAttempt(none, "cpu").ok());
  EXPECT_EQ(Code(store_->AppendPredictions(none, 1, MakeRandomChunk(set, 100, 10))),
            absl::StatusCode::kInternal);

  const JobId id = Begin(set);
  const auto code = [&](const PredictionChunk& chunk) {
    return Code(store_->AppendPredictions(id, 1, chunk));
  };
  EXPECT_EQ(code(MakeRandomChunk(set, 110, 10)), absl::StatusCode::kInternal);  // a gap
  EXPECT_EQ(code(MakeRandomChunk(set, 90, 10)), absl::StatusCode::kInternal);   // before
  EXPECT_EQ(code(MakeRandomChunk(set, 95, 10)), absl::StatusCode::kInternal);
  EXPECT_EQ(code(MakeRandomChunk(set, 100, 31)), absl::StatusCode::kInternal);  // beyond
  EXPECT_EQ(code(MakeRandomChunk(set, 100, 0)), absl::StatusCode::kInternal);   // nothing
  PredictionChunk far = MakeRandomChunk(set, 100, 10);
  for (const int64_t begin :
       {std::numeric_limits<int64_t>::max(), std::numeric_limits<int64_t>::min()}) {
    far.begin = begin;
    EXPECT_EQ(code(far), absl::StatusCode::kInternal);
  }
  far.begin = 100;
  for (const int64_t count : {std::numeric_limits<int64_t>::max(), int64_t{-10}}) {
    far.count = count;
    EXPECT_EQ(code(far), absl::StatusCode::kInternal);
  }
  ASSERT_EQ(code(MakeRandomChunk(set, 100, 10)), absl::StatusCode::kOk);
  EXPECT_EQ(code(MakeRandomChunk(set, 105, 10)), absl::StatusCode::kInternal);  // half stored
  EXPECT_EQ(code(MakeRandomChunk(set, 111, 10)), absl::StatusCode::kInternal);
  EXPECT_EQ(code(MakeRandomChunk(set, 110, 21)), absl::StatusCode::kInternal);
  ExpectStored(id, {MakeRandomChunk(set, 100, 10)});
  ASSERT_EQ(code(MakeRandomChunk(set, 110, 20)), absl::StatusCode::kOk);
  EXPECT_EQ(code(MakeRandomChunk(set, 130, 1)), absl::StatusCode::kInternal);
}

TEST_F(PredictionsTest, EveryVectorHasItsSize) {
  for (const bool keeps_samples : {false, true}) {
    const PredictionSet set = MakePredictionSet(30, 3, 4, keeps_samples);
    const JobId id = Begin(set);
    const auto refused = [&](const auto& change) {
      for (const bool longer : {false, true}) {
        PredictionChunk chunk = MakeRandomChunk(set, 100, 10);
        auto& vector = change(chunk);
        if (!longer && vector.empty()) continue;
        vector.resize(longer ? vector.size() + 1 : vector.size() - 1);
        const absl::Status status = store_->AppendPredictions(id, 1, chunk);
        EXPECT_EQ(Code(status), absl::StatusCode::kInternal) << status;
      }
    };
    using Chunk = PredictionChunk;
    for (size_t i = 0; i < kImageFactCount; ++i) {
      refused([i](Chunk & chunk) -> auto& { return chunk.facts[i]; });
    }
    for (size_t i = 0; i < kMeasureCount; ++i) {
      refused([i](Chunk & chunk) -> auto& { return chunk.measures[i]; });
    }
    refused([](Chunk & chunk) -> auto& { return chunk.probabilities; });
    refused([](Chunk & chunk) -> auto& { return chunk.deviations; });
    refused([](Chunk & chunk) -> auto& { return chunk.deterministic_probabilities; });
    refused([](Chunk & chunk) -> auto& { return chunk.sample_probabilities; });
    ExpectStored(id, {});
  }
}

TEST_F(PredictionsTest, WhereThereAreNone) {
  const JobId id = CreateIn(JobState::kRunning);
  const auto visit = [](const PredictionChunk&) -> absl::Status {
    ADD_FAILURE();
    return absl::OkStatus();
  };
  PredictionQuery query;
  for (const JobId missing : {id, JobId{99}}) {
    query.job_id = missing;
    EXPECT_EQ(Code(store_->GetPredictionSet(missing)), absl::StatusCode::kNotFound);
    EXPECT_EQ(Code(store_->ListPredictions(query)), absl::StatusCode::kNotFound);
    EXPECT_EQ(Code(store_->ReadPredictions(missing, visit)), absl::StatusCode::kNotFound);
  }
  EXPECT_TRUE(Says(store_->GetPredictionSet(id).status(), "has begun no predictions"));
  EXPECT_TRUE(Says(store_->GetPredictionSet(99).status(), "no job 99"));
  // Begun, and nothing stored yet.
  ASSERT_TRUE(store_->BeginPredictions(id, 1, MakePredictionSet(30)).ok());
  EXPECT_TRUE(store_->ReadPredictions(id, visit).ok());
  query.job_id = id;
  const auto page = store_->ListPredictions(query);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_THAT(page->rows, IsEmpty());
  EXPECT_EQ(page->total, 0);
  EXPECT_FALSE(page->more);
}

TEST_F(PredictionsTest, ReadingEndsWithTheErrorOfItsReader) {
  const PredictionSet set = MakePredictionSet(30);
  const JobId id = Store(set, MakeRandomChunks(set, 10));
  int visits = 0;
  const absl::Status ended = store_->ReadPredictions(id, [&](const PredictionChunk&) {
    return ++visits == 2 ? absl::CancelledError("enough") : absl::OkStatus();
  });
  EXPECT_EQ(ended, absl::CancelledError("enough"));
  EXPECT_EQ(visits, 2);
  // The connection is free for others again.
  for (int i = 0; i < 10; ++i) EXPECT_THAT(ReadAll(*store_, id), SizeIs(3));
}

TEST_F(PredictionsTest, ReadingIsOfOneMoment) {
  const PredictionSet set = MakePredictionSet(30);
  const std::vector<PredictionChunk> chunks = MakeRandomChunks(set, 10);
  const JobId id = Store(set, {chunks[0], chunks[1]});
  int64_t images = 0;
  const absl::Status read = store_->ReadPredictions(id, [&](const PredictionChunk& chunk) {
    images += chunk.count;
    // Another client's, while this one reads.
    return chunk.begin == 100 ? store_->AppendPredictions(id, 1, chunks[2]) : absl::OkStatus();
  });
  EXPECT_TRUE(read.ok()) << read;
  EXPECT_EQ(images, 20);
  ExpectStored(id, chunks);
}

TEST_F(PredictionsTest, GoWithTheirJobAndWithNoOther) {
  const PredictionSet set = MakePredictionSet(30, 3, 4, true);
  const std::vector<PredictionChunk> chunks = MakeRandomChunks(set, 10);
  const JobId deleted = Store(set, chunks);
  const JobId kept = Store(set, chunks);
  End(deleted, JobState::kFailed);
  EXPECT_THAT(*store_->DeleteJob(deleted), ElementsAre(deleted));
  EXPECT_EQ(Code(store_->GetPredictionSet(deleted)), absl::StatusCode::kNotFound);
  ExpectStored(kept, chunks);
  for (const std::string& table : ColumnTables()) EXPECT_EQ(Count(table), 3) << table;
  EXPECT_EQ(Count("prediction_chunks"), 3);
  EXPECT_EQ(Count("prediction_sets"), 1);
  EXPECT_EQ(Count("prediction_classes"), 3);
  // Chunks that are made then do not come before those that are there.
  const JobId next = Store(set, chunks);
  ExpectStored(next, chunks);
  ExpectStored(kept, chunks);
  End(kept, JobState::kSucceeded);
  ASSERT_TRUE(store_->DeleteJob(kept).ok());
  ExpectStored(next, chunks);
}

TEST_F(PredictionsTest, JobsSideBySide) {
  const PredictionSet set = MakePredictionSet(50, 2, 1);
  const std::vector<PredictionChunk> chunks = MakeRandomChunks(set, 10);
  const JobId a = Begin(set);
  const JobId b = Begin(set);
  for (const PredictionChunk& chunk : chunks) {
    for (const JobId id : {a, b}) ASSERT_TRUE(store_->AppendPredictions(id, 1, chunk).ok());
  }
  ExpectStored(a, chunks);
  ExpectStored(b, chunks);
}

// Lists that are asked for while chunks arrive see whole chunks, and ever more of them.
TEST_F(PredictionsTest, ListsWhileItRuns) {
  const PredictionSet set = MakePredictionSet(60 * 20);
  const std::vector<PredictionChunk> chunks = MakeRandomChunks(set, 20);
  const JobId id = Begin(set);
  std::vector<std::thread> readers;
  for (size_t i = 0; i < 3; ++i) {
    readers.emplace_back([&, i] {
      PredictionQuery query;
      query.job_id = id;
      query.order = {PredictionOrder::By::kMeasure, i, true};
      int64_t before = 0;
      while (before < set.images) {
        const auto page = store_->ListPredictions(query);
        ASSERT_TRUE(page.ok()) << page.status();
        ASSERT_EQ(page->total % 20, 0);
        ASSERT_GE(page->total, before);
        before = page->total;
      }
    });
  }
  for (const PredictionChunk& chunk : chunks) {
    EXPECT_TRUE(store_->AppendPredictions(id, 1, chunk).ok());
  }
  for (std::thread& reader : readers) reader.join();
  ExpectStored(id, chunks);
}

TEST_F(PredictionsTest, SamplesAreStoredOnlyWhereTheyAreKept) {
  const PredictionSet set = MakePredictionSet(30, 3, 4, false);
  Store(set, MakeRandomChunks(set, 10));
  EXPECT_EQ(Count("predictions_sample_probabilities"), 0);
  EXPECT_EQ(Count("predictions_probabilities"), 3);
}

// SQLite's own plan: what is read of a job is found by its keys and comes in order.
TEST_F(PredictionsTest, FoundByKey) {
  SQLite::Database database(path_);
  const auto plan = [&](const std::string& sql) {
    SQLite::Statement statement(database, "EXPLAIN QUERY PLAN " + sql);
    std::string text;
    while (statement.executeStep()) text += statement.getColumn(3).getString() + "\n";
    return text;
  };
  for (const char* sql :
       {sql::kPredictionSet, sql::kPredictionClasses, sql::kPredictionSizes, sql::kPredictionChunks,
        sql::kPredictionEnd, "DELETE FROM prediction_sets WHERE job_id = 1",
        "DELETE FROM prediction_chunks WHERE job_id = 1",
        "DELETE FROM prediction_classes WHERE job_id = 1"}) {
    EXPECT_THAT(plan(sql), HasSubstr("SEARCH")) << sql;
    EXPECT_THAT(plan(sql), Not(HasSubstr("SCAN prediction"))) << sql;
    EXPECT_THAT(plan(sql), Not(HasSubstr("TEMP B-TREE"))) << sql;
  }
  for (const std::string& table : ColumnTables()) {
    EXPECT_THAT(plan("DELETE FROM " + table + " WHERE chunk_id = 1"),
                HasSubstr("INTEGER PRIMARY KEY (rowid=?)"));
  }
}

}  // namespace
}  // namespace anneal
