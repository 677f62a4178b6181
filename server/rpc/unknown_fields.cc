#include "server/rpc/unknown_fields.h"

#include <set>
#include <string>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/unknown_field_set.h>

#include "absl/strings/str_cat.h"

namespace anneal {
namespace {

constexpr size_t kMaxViolations = 100;

// The parser limits how deep messages nest (100), and so how deep this goes.
void Visit(const google::protobuf::Message& message, const std::string& path,
           std::vector<Violation>& violations) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  const google::protobuf::UnknownFieldSet& unknown = reflection.GetUnknownFields(message);
  std::set<int> numbers;
  for (int i = 0; i < unknown.field_count(); ++i) numbers.insert(unknown.field(i).number());
  for (const int number : numbers) {
    if (violations.size() >= kMaxViolations) return;
    violations.push_back({path.empty() ? "spec" : path,
                          absl::StrCat("has field ", number, ", which this daemon does not know; is the client newer?")});
  }
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const auto* field : fields) {
    if (field->cpp_type() != google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) continue;
    const std::string field_path = path.empty() ? field->name() : absl::StrCat(path, ".", field->name());
    if (!field->is_repeated()) {
      Visit(reflection.GetMessage(message, field), field_path, violations);
      continue;
    }
    for (int i = 0; i < reflection.FieldSize(message, field); ++i) {
      if (violations.size() >= kMaxViolations) return;
      Visit(reflection.GetRepeatedMessage(message, field, i), absl::StrCat(field_path, "[", i, "]"), violations);
    }
  }
}

}  // namespace

std::vector<Violation> FindUnknownFields(const google::protobuf::Message& message) {
  std::vector<Violation> violations;
  Visit(message, "", violations);
  return violations;
}

}  // namespace anneal
