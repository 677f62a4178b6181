// The migration runner, with migrations made up here.
#include <gtest/gtest.h>

#include "storage/schema.h"
#include "tests/storage/storage_test_support.h"

namespace anneal {
namespace {

class SchemaTest : public testing::Test {
 protected:
  std::unique_ptr<Connection> Connect() {
    auto connection =
        Connection::Open(folder_.File("x.db"), Connection::Mode::kReadWriteCreate, 0, "");
    EXPECT_TRUE(connection.ok()) << connection.status();
    return *std::move(connection);
  }
  int64_t Number(Connection& connection, const char* sql) {
    return connection.database().execAndGet(sql).getInt64();
  }

  TempFolder folder_;
  const Migration v1_{1, "CREATE TABLE a (x INTEGER) STRICT; INSERT INTO a VALUES (1), (2)"};
  const Migration v2_{2, "ALTER TABLE a ADD COLUMN y INTEGER; UPDATE a SET y = 10 * x"};
  const Migration v3_{3, "CREATE TABLE b (z INTEGER) STRICT; INSERT INTO b SELECT sum(y) FROM a"};
};

TEST_F(SchemaTest, TheRealOnesAreNumberedWithoutGaps) {
  int64_t expected = 1;
  for (const Migration& migration : Migrations()) EXPECT_EQ(migration.version, expected++);
  const auto connection = Connect();
  EXPECT_TRUE(Migrate(*connection, Migrations()).ok());
  EXPECT_EQ(Number(*connection,
                   "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' "
                   "AND NOT strict AND name NOT LIKE 'sqlite_%'"),
            0);
}

TEST_F(SchemaTest, FromEveryOlderVersion) {
  for (size_t old = 0; old <= 3; ++old) {
    const std::vector<Migration> all = {v1_, v2_, v3_};
    const std::vector<Migration> known(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(old));
    std::filesystem::remove(folder_.File("x.db"));
    { ASSERT_TRUE(Migrate(*Connect(), known).ok()); }
    const auto connection = Connect();
    const absl::Status status = Migrate(*connection, all);
    ASSERT_TRUE(status.ok()) << status;
    EXPECT_EQ(Number(*connection, "PRAGMA user_version"), 3);
    EXPECT_EQ(Number(*connection, "PRAGMA application_id"), kApplicationId);
    EXPECT_EQ(Number(*connection, "SELECT sum(z) FROM b"), 30);
    EXPECT_TRUE(Migrate(*connection, all).ok());  // again: nothing to do
    EXPECT_EQ(Number(*connection, "SELECT count(*) FROM b"), 1);
  }
}

TEST_F(SchemaTest, AFailingMigrationLeavesTheVersionBeforeIt) {
  const Migration broken{2, "CREATE TABLE c (x); INSERT INTO nowhere VALUES (1)"};
  const auto connection = Connect();
  EXPECT_EQ(Code(Migrate(*connection, {v1_, broken, v3_})), absl::StatusCode::kInternal);
  EXPECT_FALSE(connection->InTransaction());
  EXPECT_EQ(Number(*connection, "PRAGMA user_version"), 1);
  EXPECT_FALSE(connection->database().tableExists("c"));
  EXPECT_TRUE(Migrate(*connection, {v1_, v2_, v3_}).ok());
}

TEST_F(SchemaTest, AMigrationMustNotBreakReferences) {
  const Migration parents{1,
                          "CREATE TABLE p (id INTEGER PRIMARY KEY) STRICT;"
                          "CREATE TABLE c (id INTEGER REFERENCES p (id)) STRICT;"
                          "INSERT INTO p VALUES (1); INSERT INTO c VALUES (1)"};
  const Migration breaks{2, "DELETE FROM p"};
  // Rebuilding a table that others refer to needs foreign keys off meanwhile.
  const Migration rebuilds{2,
                           "CREATE TABLE q (id INTEGER PRIMARY KEY, name TEXT) STRICT;"
                           "INSERT INTO q SELECT id, '' FROM p; DROP TABLE p;"
                           "ALTER TABLE q RENAME TO p"};
  const auto connection = Connect();
  const absl::Status status = Migrate(*connection, {parents, breaks});
  EXPECT_EQ(Code(status), absl::StatusCode::kInternal);
  EXPECT_TRUE(Says(status, "migration 2")) << status;
  EXPECT_EQ(Number(*connection, "SELECT count(*) FROM p"), 1);
  EXPECT_TRUE(Migrate(*connection, {parents, rebuilds}).ok());
  EXPECT_EQ(Number(*connection, "SELECT count(*) FROM c JOIN p USING (id) WHERE name = ''"), 1);
}

TEST_F(SchemaTest, NewerThanKnown) {
  const auto connection = Connect();
  ASSERT_TRUE(Migrate(*connection, {v1_, v2_, v3_}).ok());
  const absl::Status status = Migrate(*connection, {v1_, v2_});
  EXPECT_EQ(Code(status), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Says(status, "version 3")) << status;
  EXPECT_TRUE(Says(status, "up to 2")) << status;
}

// Another connection holds the file while it is to be migrated.
TEST_F(SchemaTest, Busy) {
  const auto holder = Connect();
  const auto connection = Connect();
  holder->database().exec("BEGIN EXCLUSIVE");
  EXPECT_EQ(Code(Migrate(*connection, {v1_})), absl::StatusCode::kUnavailable);
  holder->Rollback();
  EXPECT_TRUE(Migrate(*connection, {v1_}).ok());
}

// The schema itself refuses what the code must never do.
TEST_F(SchemaTest, TheKeysHoldThePromises) {
  const auto connection = Connect();
  ASSERT_TRUE(Migrate(*connection, Migrations()).ok());
  SQLite::Database& database = connection->database();
  database.exec("PRAGMA foreign_keys = ON");
  database.exec(
      "INSERT INTO jobs (name, state, priority, spec_sha256, create_time_us) VALUES ('', 2, 0, '', "
      "0);"
      "INSERT INTO attempts VALUES (1, 1, 0, NULL, '', '', NULL, NULL, NULL, NULL);"
      "INSERT INTO epochs VALUES (1, 1, 1, 0, 0);"
      "INSERT INTO events VALUES (1, 1, 0, 3, NULL, NULL, NULL, 'w', NULL, NULL, NULL, NULL, NULL)");
  for (const char* sql :
       {"INSERT INTO epochs VALUES (1, 1, 2, 0, 0)",            // twice
        "INSERT INTO epochs VALUES (1, 0, 1, 0, 0)",            // from 1
        "INSERT INTO epochs VALUES (2, 1, 1, 0, 0)",            // of no job
        "INSERT INTO epoch_metrics VALUES (1, 2, 'loss', 0)",   // of no epoch
        "INSERT INTO attempts VALUES (1, 2, 0, NULL, '', '', NULL, NULL, NULL, NULL)",  // two at once
        "INSERT INTO events VALUES (1, 1, 0, 3, NULL, NULL, NULL, 'w', NULL, NULL, NULL, NULL, NULL)",
        "INSERT INTO events VALUES (1, 2, 0, 3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
        "INSERT INTO events VALUES (1, 2, 0, 1, NULL, NULL, NULL, 'x', NULL, NULL, NULL, NULL, NULL)",
        "UPDATE jobs SET state = 'RUNNING'"}) {
    const int code = database.tryExec(sql);
    EXPECT_EQ(code & 0xff, 19) << sql;  // SQLITE_CONSTRAINT
  }
}

}  // namespace
}  // namespace anneal
