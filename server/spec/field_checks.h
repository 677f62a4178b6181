// Checks of single fields, each adding a violation that names the value and what would be right.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "google/protobuf/descriptor.h"
#include "server/spec/violation_list.h"

namespace anneal {

// An interval of real numbers and how it is said: "a rate is " + words.
struct RealRange {
  double low = -std::numeric_limits<double>::infinity();
  bool low_included = false;
  double high = std::numeric_limits<double>::infinity();
  bool high_included = false;
  const char* words = "a finite number";

  bool Contains(double value) const {
    return (value > low || (low_included && value == low)) &&
           (value < high || (high_included && value == high));
  }
};

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();
inline constexpr RealRange kFinite{};
inline constexpr RealRange kPositive{0, false, kInfinity, false, "a finite number greater than 0"};
inline constexpr RealRange kNotNegative{0, true, kInfinity, false, "a finite number, at least 0"};
inline constexpr RealRange kBelowOne{0, true, 1, false, "at least 0 and below 1"};
inline constexpr RealRange kBetweenZeroAndOne{0, false, 1, false, "greater than 0 and below 1"};

// The fields of the message at `path` in the job file.
class FieldChecks {
 public:
  FieldChecks(std::string path, ViolationList& violations)
      : path_(std::move(path)), violations_(violations) {}

  const std::string& path() const { return path_; }

  // The path of a field of this message; "" is the message itself.
  std::string PathOf(const char* field) const;

  // The checks of the message in `field`.
  FieldChecks In(const char* field) const { return FieldChecks(PathOf(field), violations_); }

  void Add(const char* field, std::string description) const;

  // low <= value <= high. `noun` begins the sentence that says so: "a batch size". True where it
  // holds.
  bool Integer(const char* field, int64_t value, int64_t low, int64_t high, const char* noun) const;

  // Within `range`, both as given and rounded to single precision, in which the engine computes: a
  // rate of 1 - 1e-12 would be 1 there. NaN and the infinities are in no range. True where it
  // holds.
  bool Real(const char* field, double value, const RealRange& range, const char* noun) const;

  // One of the enum's values (proto3 keeps numbers that it does not know). True where it holds.
  bool Enum(const char* field, int value, const google::protobuf::EnumDescriptor* descriptor) const;

  // Says that nothing was chosen in `oneof`, and lists what there is. `noun`: "layer".
  void MissingKind(const char* field, const google::protobuf::OneofDescriptor* oneof,
                   const char* noun) const;

 private:
  std::string path_;
  ViolationList& violations_;
};

}  // namespace anneal
