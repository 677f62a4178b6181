#include "proto/set_field.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/text_format.h"
#include "server/core/status_macros.h"
#include "server/core/strings.h"

namespace anneal {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::TextFormat;

constexpr int kMaxDepth = 100;

struct Segment {
  std::string name;
  std::optional<int> index;
};

// Levenshtein distance.
size_t EditDistance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

absl::Status Error(std::string_view what) { return absl::InvalidArgumentError(ToAbsl(what)); }

absl::StatusOr<std::vector<Segment>> ParsePath(const std::string& path) {
  std::vector<Segment> segments;
  std::string_view rest = path;
  while (true) {
    const size_t dot = rest.find('.');
    std::string_view part = rest.substr(0, dot);
    const std::string shown(part);
    Segment segment;
    if (const size_t bracket = part.find('['); bracket != std::string_view::npos) {
      std::string_view index = part.substr(bracket + 1);
      int number = 0;
      const bool closed = !index.empty() && index.back() == ']';
      if (closed) index.remove_suffix(1);
      const auto [end, error] = std::from_chars(index.data(), index.data() + index.size(), number);
      if (!closed || error != std::errc() || end != index.data() + index.size() || number < 0) {
        return Error(absl::StrCat("\"", shown, "\" is not NAME[N] with N a whole number from 0"));
      }
      // One way to write a path: callers tell by the text whether two are the same.
      if (index.size() > 1 && index[0] == '0') {
        return Error(absl::StrCat("\"", shown, "\" is not NAME[N] with N without zeros before it"));
      }
      segment.index = number;
      part = part.substr(0, bracket);
    }
    segment.name = std::string(part);
    if (segment.name.empty())
      return Error("a part of the path is empty; parts are separated by one dot each");
    segments.push_back(std::move(segment));
    if (dot == std::string_view::npos) return segments;
    rest.remove_prefix(dot + 1);
  }
}

std::string SizeText(int size) {
  if (size == 0) return "is empty";
  if (size == 1) return "has 1 element: [0]";
  return absl::StrCat("has ", size, " elements: [0] to [", size - 1, "]");
}

std::string EnumNames(const EnumDescriptor& type) {
  std::string names;
  for (int i = 0; i < type.value_count(); ++i)
    absl::StrAppend(&names, i == 0 ? "" : ", ", type.value(i)->name());
  return names;
}

template <typename Number>
std::optional<Number> ParseWhole(const std::string& text) {
  Number number{};
  const char* begin = text.data() + (text.starts_with('+') ? 1 : 0);
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(begin, end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

std::optional<double> ParseReal(const std::string& text) {
  if (text.empty() || text.find_first_of(" \t\n\r\v\f") != std::string::npos ||
      text.find('\0') != std::string::npos) {
    return std::nullopt;
  }
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  if (end != text.c_str() + text.size()) return std::nullopt;
  return number;
}

// Keeps the first error.
class FirstError : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int, int, const std::string& message) override {
    if (text.empty()) text = message;
  }
  std::string text;
};

// Parses text format into `message`; the error or "".
std::string MergeText(const std::string& text, Message& message) {
  FirstError error;
  TextFormat::Parser parser;
  parser.RecordErrorsTo(&error);
  parser.SetRecursionLimit(kMaxDepth);
  if (parser.MergeFromString(text, &message)) return "";
  return error.text.empty() ? "it does not parse" : error.text;
}

std::string Trim(const std::string& text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return "";
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// The last step: `field` of `message`, its element `index` where there is one, becomes `value`.
class ValueSetter {
 public:
  ValueSetter(Message& message, const FieldDescriptor& field, std::optional<int> index)
      : message_(message), reflection_(*message.GetReflection()), field_(field), index_(index) {}

  absl::Status Set(const std::string& value) {
    if (field_.is_repeated() && !index_) return SetList(value);
    switch (field_.cpp_type()) {
      case FieldDescriptor::CPPTYPE_INT32:
        return SetWhole<int32_t>(value, &Reflection::SetInt32, &Reflection::SetRepeatedInt32);
      case FieldDescriptor::CPPTYPE_INT64:
        return SetWhole<int64_t>(value, &Reflection::SetInt64, &Reflection::SetRepeatedInt64);
      case FieldDescriptor::CPPTYPE_UINT32:
        return SetWhole<uint32_t>(value, &Reflection::SetUInt32, &Reflection::SetRepeatedUInt32);
      case FieldDescriptor::CPPTYPE_UINT64:
        return SetWhole<uint64_t>(value, &Reflection::SetUInt64, &Reflection::SetRepeatedUInt64);
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT:
        return SetReal(value);
      case FieldDescriptor::CPPTYPE_BOOL:
        if (value != "true" && value != "false") return Bad(value, "true or false");
        Store(value == "true", &Reflection::SetBool, &Reflection::SetRepeatedBool);
        return absl::OkStatus();
      case FieldDescriptor::CPPTYPE_ENUM:
        return SetEnum(value);
      case FieldDescriptor::CPPTYPE_STRING:
        return SetText(value);
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return SetMessage(value);
    }
    return Bad(value, "a field that can be set");
  }

 private:
  absl::Status Bad(const std::string& value, const std::string& right) const {
    return Error(absl::StrCat("\"", value, "\" is not ", right));
  }

  template <typename Value, typename Set, typename SetRepeated>
  void Store(Value value, Set set, SetRepeated set_repeated) {
    if (index_) {
      (reflection_.*set_repeated)(&message_, &field_, *index_, value);
    } else {
      (reflection_.*set)(&message_, &field_, value);
    }
  }

  template <typename Number, typename Set, typename SetRepeated>
  absl::Status SetWhole(const std::string& value, Set set, SetRepeated set_repeated) {
    const std::optional<Number> number = ParseWhole<Number>(value);
    if (!number) {
      return Bad(value, absl::StrCat("a whole number from ", std::numeric_limits<Number>::min(),
                                     " to ", std::numeric_limits<Number>::max()));
    }
    Store(*number, set, set_repeated);
    return absl::OkStatus();
  }

  absl::Status SetReal(const std::string& value) {
    const std::optional<double> number = ParseReal(value);
    if (!number) return Bad(value, "a number, such as 0.001 or 1e-3");
    if (field_.cpp_type() == FieldDescriptor::CPPTYPE_FLOAT) {
      Store(static_cast<float>(*number), &Reflection::SetFloat, &Reflection::SetRepeatedFloat);
    } else {
      Store(*number, &Reflection::SetDouble, &Reflection::SetRepeatedDouble);
    }
    return absl::OkStatus();
  }

  absl::Status SetEnum(const std::string& value) {
    const EnumValueDescriptor* named = field_.enum_type()->FindValueByName(value);
    if (named == nullptr)
      return Bad(value, absl::StrCat("one of ", EnumNames(*field_.enum_type())));
    Store(named, &Reflection::SetEnum, &Reflection::SetRepeatedEnum);
    return absl::OkStatus();
  }

  absl::Status SetText(const std::string& value) {
    std::string text = value;
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') {
      std::unique_ptr<Message> scratch(message_.New());
      const std::string error = MergeText(field_.name() + ": " + value, *scratch);
      if (!error.empty()) return Bad(value, "text in double quotes: " + error);
      text = field_.is_repeated()
                 ? scratch->GetReflection()->GetRepeatedString(*scratch, &field_, 0)
                 : scratch->GetReflection()->GetString(*scratch, &field_);
    }
    if (index_) {
      reflection_.SetRepeatedString(&message_, &field_, *index_, text);
    } else {
      reflection_.SetString(&message_, &field_, text);
    }
    return absl::OkStatus();
  }

  absl::Status SetMessage(const std::string& value) {
    const std::string trimmed = Trim(value);
    const Descriptor& type = *field_.message_type();
    if (trimmed.size() < 2 || trimmed.front() != '{' || trimmed.back() != '}') {
      return Error(absl::StrCat(
          "is a block, so its value goes in braces, such as {}; or name a field of it: ",
          FieldNames(type)));
    }
    Message* target = index_ ? reflection_.MutableRepeatedMessage(&message_, &field_, *index_)
                             : reflection_.MutableMessage(&message_, &field_);
    target->Clear();
    const std::string error = MergeText(trimmed.substr(1, trimmed.size() - 2), *target);
    if (!error.empty())
      return Bad(value, absl::StrCat("a ", type.name(), " in text format: ", error));
    return absl::OkStatus();
  }

  absl::Status SetList(const std::string& value) {
    const std::string trimmed = Trim(value);
    if (trimmed.size() < 2 || trimmed.front() != '[' || trimmed.back() != ']') {
      return Error(absl::StrCat("is a list, which ",
                                SizeText(reflection_.FieldSize(message_, &field_)),
                                "; choose one by its number, or give the whole list as [A, B]"));
    }
    reflection_.ClearField(&message_, &field_);
    const bool blocks = field_.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    const std::string error = MergeText(field_.name() + (blocks ? " " : ": ") + trimmed, message_);
    if (!error.empty()) return Bad(value, "a list in text format: " + error);
    return absl::OkStatus();
  }

  Message& message_;
  const Reflection& reflection_;
  const FieldDescriptor& field_;
  const std::optional<int> index_;
};

// Where a path leads.
struct Place {
  Message* parent = nullptr;
  const FieldDescriptor* field = nullptr;
  std::optional<int> index;
};

// Makes the messages on the way that are missing in `root`.
absl::StatusOr<Place> Walk(Message& root, const std::string& path) {
  ASSIGN_OR_RETURN(const std::vector<Segment> segments, ParsePath(path));
  if (segments.size() > kMaxDepth)
    return Error(absl::StrCat("has more than ", kMaxDepth, " parts"));
  Message* parent = &root;
  std::string walked;  // for messages: the path up to and with the current part
  for (size_t i = 0;; ++i) {
    const Segment& segment = segments[i];
    const Descriptor& type = *parent->GetDescriptor();
    const FieldDescriptor* field = type.FindFieldByName(segment.name);
    if (field == nullptr) {
      const std::string where = walked.empty() ? "a job file" : absl::StrCat("\"", walked, "\"");
      return Error(absl::StrCat("there is no \"", segment.name, "\" in ", where,
                                FieldSuggestion(type, segment.name),
                                "; it has: ", FieldNames(type)));
    }
    absl::StrAppend(&walked, walked.empty() ? "" : ".", segment.name);
    const Reflection& reflection = *parent->GetReflection();
    if (segment.index) {
      if (!field->is_repeated())
        return Error(absl::StrCat("\"", walked, "\" is not a list, so it takes no [N]"));
      const int size = reflection.FieldSize(*parent, field);
      if (*segment.index >= size) {
        return Error(absl::StrCat("there is no [", *segment.index, "] in \"", walked, "\", which ",
                                  SizeText(size)));
      }
      absl::StrAppend(&walked, "[", *segment.index, "]");
    }
    if (i + 1 == segments.size()) return Place{parent, field, segment.index};
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) {
      return Error(absl::StrCat("\"", walked, "\" is a single value, so it has no \"",
                                segments[i + 1].name, "\""));
    }
    if (field->is_repeated() && !segment.index) {
      return Error(absl::StrCat("\"", walked, "\" is a list, which ",
                                SizeText(reflection.FieldSize(*parent, field)),
                                "; choose one by its number, as in ", walked, "[0]"));
    }
    parent = segment.index ? reflection.MutableRepeatedMessage(parent, field, *segment.index)
                           : reflection.MutableMessage(parent, field);
  }
}

}  // namespace

std::string FieldNames(const Descriptor& message_type) {
  if (message_type.field_count() == 0) return "none (it is empty)";
  std::string names;
  for (int i = 0; i < message_type.field_count(); ++i) {
    absl::StrAppend(&names, i == 0 ? "" : ", ", message_type.field(i)->name());
  }
  return names;
}

std::string FieldSuggestion(const Descriptor& message_type, std::string_view name) {
  const FieldDescriptor* nearest = nullptr;
  size_t least = std::max<size_t>(2, name.size() / 3 + 1);  // further away is no likeness
  if (name.size() > 100) return "";
  for (int i = 0; i < message_type.field_count(); ++i) {
    const size_t distance = EditDistance(name, message_type.field(i)->name());
    if (distance < least) {
      least = distance;
      nearest = message_type.field(i);
    }
  }
  return nearest == nullptr ? "" : absl::StrCat(" (did you mean \"", nearest->name(), "\"?)");
}

absl::StatusOr<FieldPlace> FindField(const Message& message, const std::string& path) {
  std::unique_ptr<Message> walked(message.New());
  walked->CopyFrom(message);
  ASSIGN_OR_RETURN(const Place place, Walk(*walked, path));
  return FieldPlace{place.field, place.field->is_repeated() && !place.index};
}

bool HasField(const Message& message, const std::string& path) {
  const absl::StatusOr<std::vector<Segment>> segments = ParsePath(path);
  if (!segments.ok()) return false;
  const Message* parent = &message;
  for (const Segment& segment : *segments) {
    if (parent == nullptr) return false;  // below a single value
    const FieldDescriptor* field = parent->GetDescriptor()->FindFieldByName(segment.name);
    if (field == nullptr) return false;
    const Reflection& reflection = *parent->GetReflection();
    if (field->is_repeated()) {
      if (segment.index && *segment.index >= reflection.FieldSize(*parent, field)) return false;
    } else if (segment.index || (field->has_presence() && !reflection.HasField(*parent, field))) {
      return false;
    }
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE ||
        (field->is_repeated() && !segment.index)) {
      parent = nullptr;
    } else {
      parent = segment.index ? &reflection.GetRepeatedMessage(*parent, field, *segment.index)
                             : &reflection.GetMessage(*parent, field);
    }
  }
  return true;
}

std::string ReplacedMember(const Message& message, const std::string& path) {
  const absl::StatusOr<std::vector<Segment>> segments = ParsePath(path);
  if (!segments.ok()) return "";
  const Message* parent = &message;
  std::string walked;  // the path of `parent`, with a dot after it
  for (const Segment& segment : *segments) {
    const FieldDescriptor* field = parent->GetDescriptor()->FindFieldByName(segment.name);
    if (field == nullptr) return "";
    const Reflection& reflection = *parent->GetReflection();
    if (field->real_containing_oneof() != nullptr && !reflection.HasField(*parent, field)) {
      const FieldDescriptor* chosen =
          reflection.GetOneofFieldDescriptor(*parent, field->real_containing_oneof());
      return chosen == nullptr ? "" : walked + chosen->name();
    }
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return "";
    absl::StrAppend(&walked, segment.name);
    if (field->is_repeated()) {
      if (!segment.index || *segment.index >= reflection.FieldSize(*parent, field)) return "";
      absl::StrAppend(&walked, "[", *segment.index, "]");
      parent = &reflection.GetRepeatedMessage(*parent, field, *segment.index);
    } else {
      parent = &reflection.GetMessage(*parent, field);
    }
    walked += '.';
  }
  return "";
}

absl::Status SetField(Message& message, const std::string& path, const std::string& value) {
  std::unique_ptr<Message> changed(message.New());
  changed->CopyFrom(message);
  ASSIGN_OR_RETURN(const Place place, Walk(*changed, path));
  RETURN_IF_ERROR(ValueSetter(*place.parent, *place.field, place.index).Set(value));
  message.GetReflection()->Swap(&message, changed.get());
  return absl::OkStatus();
}

}  // namespace anneal
