#include "tests/fault/model/work_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "tests/fault/model/shared_clock.h"

namespace anneal::model {

WorkLog::WorkLog(const std::string& path, int64_t generation)
    : generation_(generation),
      fd_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)) {
  if (fd_ >= 0) return;
  std::perror(path.c_str());
  std::abort();
}

WorkLog::~WorkLog() { close(fd_); }

void WorkLog::Add(WorkRecord record) const {
  record.time_us = SharedNowUs();
  record.generation = generation_;
  if (write(fd_, &record, sizeof record) == static_cast<ssize_t>(sizeof record)) return;
  std::perror("the log of work");
  std::abort();
}

std::vector<WorkRecord> ReadWorkLog(const std::string& path) {
  std::vector<WorkRecord> records;
  std::ifstream in(path, std::ios::binary);
  WorkRecord record;
  while (in.read(reinterpret_cast<char*>(&record), sizeof record)) records.push_back(record);
  std::stable_sort(records.begin(), records.end(),
                   [](const WorkRecord& a, const WorkRecord& b) { return a.time_us < b.time_us; });
  return records;
}

}  // namespace anneal::model
