// CIFAR-10 folders written by hand, with pixels that a formula knows.
#pragma once

#include <cstdint>
#include <fstream>
#include <string>
#include <vector>

namespace anneal {

inline constexpr int64_t kCifarRecordBytes = 3073;

// The byte of `record` of a file with number `file` at channel c, row y, column x: every coordinate
// changes it.
inline uint8_t CifarPixel(int file, int64_t record, int c, int y, int x) {
  return static_cast<uint8_t>(file * 97 + record * 41 + c * 83 + y * 7 + x * 3);
}

inline uint8_t CifarLabel(int file, int64_t record) {
  return static_cast<uint8_t>((file * 3 + record) % 10);
}

// `records` records in the published layout: label, red plane, green plane, blue plane.
inline std::string CifarBatch(int file, int64_t records) {
  std::string bytes;
  for (int64_t record = 0; record < records; ++record) {
    bytes += static_cast<char>(CifarLabel(file, record));
    for (int c = 0; c < 3; ++c) {
      for (int y = 0; y < 32; ++y) {
        for (int x = 0; x < 32; ++x) bytes += static_cast<char>(CifarPixel(file, record, c, y, x));
      }
    }
  }
  return bytes;
}

inline void WriteFile(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

// File 1..5 are the training batches, file 6 is the test batch.
inline std::string CifarFile(const std::string& folder, int file) {
  return file == 6 ? folder + "/test_batch.bin"
                   : folder + "/data_batch_" + std::to_string(file) + ".bin";
}

// Files 1 to 6 have records[0] to records[5] records.
inline void WriteCifarFolder(const std::string& folder,
                             const std::vector<int64_t>& records = {3, 1, 4, 1, 5, 2}) {
  for (int file = 1; file <= 6; ++file) {
    WriteFile(CifarFile(folder, file), CifarBatch(file, records[static_cast<size_t>(file - 1)]));
  }
}

}  // namespace anneal
