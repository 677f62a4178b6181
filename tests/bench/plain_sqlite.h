// Predictions written with the C API of SQLite and nothing else: what the store is measured
// against.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace anneal::bench {

// A connection whose errors end the program.
class PlainSqlite {
 public:
  explicit PlainSqlite(const std::string& path) {
    Check(sqlite3_open(path.c_str(), &database_), "open");
    Execute("PRAGMA journal_mode = WAL");
    Execute("PRAGMA synchronous = FULL");
    Execute("PRAGMA foreign_keys = ON");
    Execute("PRAGMA secure_delete = FAST");
  }
  ~PlainSqlite() {
    for (sqlite3_stmt* statement : statements_) sqlite3_finalize(statement);
    sqlite3_close(database_);
  }
  PlainSqlite(const PlainSqlite&) = delete;
  PlainSqlite& operator=(const PlainSqlite&) = delete;

  void Execute(const std::string& sql) {
    Check(sqlite3_exec(database_, sql.c_str(), nullptr, nullptr, nullptr), sql);
  }

  // Lives as long as the connection.
  sqlite3_stmt* Prepare(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    Check(sqlite3_prepare_v2(database_, sql.c_str(), -1, &statement, nullptr), sql);
    statements_.push_back(statement);
    return statement;
  }

  // Executes a statement whose values are bound.
  void Run(sqlite3_stmt* statement) {
    if (sqlite3_step(statement) != SQLITE_DONE) Check(sqlite3_errcode(database_), "step");
    sqlite3_reset(statement);
  }

  template <typename T>
  void BindBlob(sqlite3_stmt* statement, int number, const T* values, size_t count) {
    Check(sqlite3_bind_blob(statement, number, values, static_cast<int>(count * sizeof(T)),
                            SQLITE_STATIC),
          "bind");
  }

  int64_t LastRow() { return sqlite3_last_insert_rowid(database_); }

 private:
  void Check(int code, const std::string& what) {
    if (code == SQLITE_OK) return;
    std::fprintf(stderr, "%s: %s\n", what.c_str(), sqlite3_errmsg(database_));
    std::exit(1);
  }

  sqlite3* database_ = nullptr;
  std::vector<sqlite3_stmt*> statements_;
};

}  // namespace anneal::bench
