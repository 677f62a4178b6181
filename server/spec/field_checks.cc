#include "server/spec/field_checks.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "server/spec/text.h"

namespace anneal {
namespace {

// The value as the engine sees it; too large for single precision is an infinity.
double InSinglePrecision(double value) {
  if (std::abs(value) > std::numeric_limits<float>::max()) return std::copysign(kInfinity, value);
  return static_cast<float>(value);
}

}  // namespace

std::string FieldChecks::PathOf(const char* field) const {
  if (*field == '\0') return path_;
  return path_.empty() ? std::string(field) : absl::StrCat(path_, ".", field);
}

void FieldChecks::Add(const char* field, std::string description) const {
  violations_.Add(PathOf(field), std::move(description));
}

bool FieldChecks::Integer(const char* field, int64_t value, int64_t low, int64_t high,
                          const char* noun) const {
  if (value >= low && value <= high) return true;
  const std::string right = high == std::numeric_limits<int64_t>::max()
                                ? absl::StrCat("at least ", low)
                                : absl::StrCat("from ", low, " to ", high);
  Add(field, absl::StrCat("is ", value, "; ", noun, " is ", right));
  return false;
}

bool FieldChecks::Real(const char* field, double value, const RealRange& range,
                       const char* noun) const {
  const double single = InSinglePrecision(value);
  if (range.Contains(value) && range.Contains(single)) return true;
  const std::string rounded =
      range.Contains(value) ? absl::StrCat(", which in single precision is ", FormatReal(single))
                            : "";
  Add(field, absl::StrCat("is ", FormatReal(value), rounded, "; ", noun, " is ", range.words));
  return false;
}

bool FieldChecks::Enum(const char* field, int value,
                       const google::protobuf::EnumDescriptor* descriptor) const {
  if (descriptor->FindValueByNumber(value) != nullptr) return true;
  std::string names;
  for (int i = 0; i < descriptor->value_count(); ++i) {
    absl::StrAppend(&names, i == 0 ? "" : ", ", descriptor->value(i)->name());
  }
  Add(field, absl::StrCat("is ", value, ", which this server does not know; it knows ", names));
  return false;
}

void FieldChecks::MissingKind(const char* field, const google::protobuf::OneofDescriptor* oneof,
                              const char* noun) const {
  std::string names;
  for (int i = 0; i < oneof->field_count(); ++i) {
    absl::StrAppend(&names, i == 0 ? "" : ", ", oneof->field(i)->name());
  }
  Add(field, absl::StrCat("says no ", noun, "; there are ", names));
}

}  // namespace anneal
