#include "server/spec/unknown_fields.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/protobuf/message.h"
#include "google/protobuf/unknown_field_set.h"

namespace anneal {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// Deeper than any message that a later check accepts (eight repeats inside of each other take some
// twenty levels); below it nothing is looked at.
constexpr size_t kDepth = 64;

class UnknownFieldSearch {
 public:
  explicit UnknownFieldSearch(ViolationList& violations) : violations_(violations) {}

  void Search(const Message& message) {
    const Reflection& reflection = *message.GetReflection();
    const google::protobuf::UnknownFieldSet& unknown = reflection.GetUnknownFields(message);
    if (!unknown.empty()) Report(message, unknown.field(0).number());
    if (path_.size() >= kDepth) return;
    std::vector<const FieldDescriptor*> fields;
    reflection.ListFields(message, &fields);
    for (const FieldDescriptor* const field : fields) {
      if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
      if (!field->is_repeated()) {
        Enter(field, kNoIndex, reflection.GetMessage(message, field));
        continue;
      }
      const int size = reflection.FieldSize(message, field);
      for (int i = 0; i < size; ++i)
        Enter(field, i, reflection.GetRepeatedMessage(message, field, i));
    }
  }

 private:
  static constexpr int kNoIndex = -1;

  void Enter(const FieldDescriptor* field, int index, const Message& message) {
    path_.emplace_back(field, index);
    Search(message);
    path_.pop_back();
  }

  void Report(const Message& message, int number) {
    std::string path;
    for (const auto& [field, index] : path_) {
      absl::StrAppend(&path, path.empty() ? "" : ".", field->name());
      if (index != kNoIndex) absl::StrAppend(&path, "[", index, "]");
    }
    violations_.Add(std::move(path),
                    absl::StrCat("has a field number ", number, ", which this server's ",
                                 message.GetDescriptor()->name(),
                                 " does not have; the client is newer than the server"));
  }

  ViolationList& violations_;
  std::vector<std::pair<const FieldDescriptor*, int>> path_;  // from the root
};

}  // namespace

void CheckUnknownFields(const v1::JobSpec& spec, ViolationList& violations) {
  UnknownFieldSearch(violations).Search(spec);
}

}  // namespace anneal
