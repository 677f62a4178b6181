#include "client/job_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <istream>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/recipes.h"
#include "client/render.h"
#include "client/set_field.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/tokenizer.h"
#include "google/protobuf/text_format.h"
#include "google/protobuf/util/json_util.h"
#include "nlohmann/json.hpp"
#include "proto/set_field.h"
#include "server/core/status_macros.h"
#include "server/core/strings.h"

namespace anneal::client {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

constexpr int kMaxDepth = 100;
constexpr std::string_view kRecipePrefix = "recipe:";

std::string Shown(const std::string& source) {
  if (source.empty()) return "\"\"";
  return source == "-" ? "standard input" : Escape(source);
}

absl::Status ReadError(const std::string& source, std::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(Shown(source), ": ", ToAbsl(why)));
}

// Reads to the end, or one byte more than the limit.
std::string ReadAll(std::istream& stream) {
  std::string text;
  std::string block(64 * 1024, '\0');
  while (static_cast<int64_t>(text.size()) <= kMaxJobFileBytes) {
    stream.read(block.data(), static_cast<std::streamsize>(block.size()));
    if (stream.gcount() == 0) break;
    text.append(block, 0, static_cast<size_t>(stream.gcount()));
  }
  return text;
}

std::string UnknownField(const Descriptor& type, const std::string& name) {
  return absl::StrCat("there is no \"", Escape(name), "\" here", FieldSuggestion(type, name), "; ",
                      type.name(), " has: ", FieldNames(type));
}

// Line and column, from 1 and in bytes, of byte `offset`.
std::string Place(std::string_view text, size_t offset) {
  offset = std::min(offset, text.size());
  const std::string_view before = text.substr(0, offset);
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const size_t newline = before.rfind('\n');
  return absl::StrCat(line, ":", newline == std::string_view::npos ? offset + 1 : offset - newline);
}

// The byte that protobuf's tokenizer means by `line` and `column`, both from 0; its tabs reach to
// the next multiple of 8.
size_t OffsetOf(std::string_view text, int line, int column) {
  size_t offset = 0;
  for (; line > 0; --line) {
    const size_t newline = text.find('\n', offset);
    if (newline == std::string_view::npos) return text.size();
    offset = newline + 1;
  }
  for (int at = 0; at < column && offset < text.size() && text[offset] != '\n'; ++offset) {
    at = text[offset] == '\t' ? (at / 8 + 1) * 8 : at + 1;
  }
  return offset;
}

// Protobuf's messages, with better places and what was perhaps meant.
class LineCollector : public google::protobuf::io::ErrorCollector {
 public:
  LineCollector(std::string_view text, std::string source)
      : text_(text), source_(std::move(source)) {}

  void AddError(int line, int column, const std::string& message) override {
    if (++count_ > kMaxErrors) return;
    size_t offset = OffsetOf(text_, line, column);
    const std::string explanation = Explain(message, &offset);
    absl::StrAppend(&errors_, errors_.empty() ? "" : "\n", source_, ":", Place(text_, offset), ": ",
                    explanation);
  }
  const std::string& errors() const { return errors_; }

 private:
  static constexpr int kMaxErrors = 20;

  // Of an unknown field protobuf says: Message type "anneal.v1.TrainingSpec" has no field named
  // "epoch". The place is then that of the token after the name; `offset` is moved to the name.
  std::string Explain(const std::string& message, size_t* offset) const {
    constexpr std::string_view kType = "Message type \"";
    constexpr std::string_view kField = "\" has no field named \"";
    const size_t middle = message.find(kField);
    if (!message.starts_with(kType) || middle == std::string::npos) return Escape(message);
    const std::string type = message.substr(kType.size(), middle - kType.size());
    std::string name = message.substr(middle + kField.size());
    name = name.substr(0, name.find('"'));
    const Descriptor* descriptor =
        google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(type);
    if (descriptor == nullptr) return Escape(message);
    const size_t begin = text_.substr(0, *offset).rfind(name);
    if (begin != std::string_view::npos) *offset = begin;
    return UnknownField(*descriptor, name);
  }

  const std::string_view text_;
  const std::string source_;
  std::string errors_;
  int count_ = 0;
};

absl::StatusOr<v1::JobSpec> ParseText(std::string_view text, const std::string& source) {
  v1::JobSpec spec;
  LineCollector errors(text, Shown(source));
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&errors);
  parser.SetRecursionLimit(kMaxDepth);
  if (!parser.ParseFromString(std::string(text), &spec)) {
    return absl::InvalidArgumentError(errors.errors().empty() ? Shown(source) + ": does not parse"
                                                              : errors.errors());
  }
  return spec;
}

// Of an unknown field protobuf's JSON parser says "(training.network.layers[0]) foo: Cannot find
// field.", and without the path where that is empty.
std::string ExplainJson(const std::string& message) {
  constexpr std::string_view kUnknown = ": Cannot find field.";
  if (!message.ends_with(kUnknown)) return Escape(message);
  std::string path;
  std::string name = message.substr(0, message.size() - kUnknown.size());
  if (const size_t close = name.rfind(") "); name.starts_with('(') && close != std::string::npos) {
    path = name.substr(1, close - 1);
    name.erase(0, close + 2);
  }
  const Descriptor* type = v1::JobSpec::descriptor();
  for (size_t begin = 0; begin < path.size() && type != nullptr;) {
    const size_t end = std::min(path.find('.', begin), path.size());
    const std::string part = path.substr(begin, std::min(path.find('[', begin), end) - begin);
    const FieldDescriptor* field = nullptr;
    for (int i = 0; i < type->field_count(); ++i) {
      const FieldDescriptor* candidate = type->field(i);
      if (candidate->name() == part || candidate->json_name() == part) field = candidate;
    }
    type = field == nullptr ? nullptr : field->message_type();
    begin = end + 1;
  }
  if (type == nullptr) return Escape(message);
  return (path.empty() ? "" : Escape(path) + ": ") + UnknownField(*type, name);
}

// Accepts everything, and keeps where and why the syntax is wrong.
class SyntaxCheck : public nlohmann::json_sax<nlohmann::json> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return true; }
  bool key(string_t&) override { return true; }
  bool end_object() override { return true; }
  bool start_array(std::size_t) override { return true; }
  bool end_array() override { return true; }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    offset = position > 0 ? position - 1 : 0;
    what = error.what();  // "[json.exception...] parse error at line 1, column 3: syntax error
                          // while ..."
    if (const size_t colon = what.find(": "); colon != std::string::npos)
      what = what.substr(colon + 2);
    return false;
  }

  size_t offset = 0;
  std::string what;
};

absl::StatusOr<v1::JobSpec> ParseJson(std::string_view text, const std::string& source) {
  // First the syntax, by a parser that knows places; then the fields, by protobuf, which knows
  // paths.
  SyntaxCheck syntax;
  if (!nlohmann::json::sax_parse(text, &syntax)) {
    return absl::InvalidArgumentError(
        absl::StrCat(Shown(source), ":", Place(text, syntax.offset), ": ", Escape(syntax.what)));
  }
  v1::JobSpec spec;
  google::protobuf::util::JsonParseOptions options;
  options.ignore_unknown_fields = false;
  const auto status = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(text.data(), text.size()), &spec, options);
  if (!status.ok()) {
    const std::string message(status.message().data(), status.message().size());
    return absl::InvalidArgumentError(absl::StrCat(Shown(source), ": ", ExplainJson(message)));
  }
  return spec;
}

bool LooksLikeJson(std::string_view text, const std::string& source) {
  if (source.ends_with(".json")) return true;
  const size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

// proto3 text must be UTF-8; text format and --set let other bytes through. The path of the first
// that is not, or "".
std::string FindBadText(const Message& message, const std::string& path) {
  const auto* reflection = message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection->ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    const int size = field->is_repeated() ? reflection->FieldSize(message, field) : 1;
    for (int i = 0; i < size; ++i) {
      std::string where = absl::StrCat(path, path.empty() ? "" : ".", field->name());
      if (field->is_repeated()) absl::StrAppend(&where, "[", i, "]");
      if (field->type() == FieldDescriptor::TYPE_STRING) {
        const std::string text = field->is_repeated()
                                     ? reflection->GetRepeatedString(message, field, i)
                                     : reflection->GetString(message, field);
        if (!IsUtf8(text)) return where;
      } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
        const std::string found =
            FindBadText(field->is_repeated() ? reflection->GetRepeatedMessage(message, field, i)
                                             : reflection->GetMessage(message, field),
                        where);
        if (!found.empty()) return found;
      }
    }
  }
  return "";
}

}  // namespace

absl::StatusOr<std::string> ReadJobText(const std::string& source, std::istream& standard_input) {
  if (source.starts_with(kRecipePrefix)) {
    const std::string name = source.substr(kRecipePrefix.size());
    if (const Recipe* recipe = FindRecipe(name); recipe != nullptr)
      return std::string(recipe->text);
    return ReadError(source,
                     absl::StrCat("there is no recipe of this name; there are: ", RecipeNames()));
  }
  std::string text;
  if (source == "-") {
    text = ReadAll(standard_input);
  } else {
    struct stat info {};
    if (::stat(source.c_str(), &info) != 0) {
      const int error = errno;
      std::string hint;
      if (error == ENOENT && FindRecipe(source) != nullptr)
        hint = "; the recipe is recipe:" + source;
      return ReadError(source, std::strerror(error) + hint);
    }
    if (S_ISDIR(info.st_mode)) return ReadError(source, "is a folder, not a job file");
    errno = 0;
    std::ifstream file(source, std::ios::binary);
    if (!file) return ReadError(source, std::strerror(errno != 0 ? errno : EIO));
    text = ReadAll(file);
    if (file.bad()) return ReadError(source, "cannot be read to its end");
  }
  if (static_cast<int64_t>(text.size()) > kMaxJobFileBytes) {
    return ReadError(Shown(source),
                     absl::StrCat("is longer than the ", FormatBytes(kMaxJobFileBytes),
                                  " that a job file may have"));
  }
  return text;
}

absl::StatusOr<v1::JobSpec> ParseJobText(const std::string& text, const std::string& source) {
  std::string_view content = text;
  if (content.starts_with("\xef\xbb\xbf")) content.remove_prefix(3);  // byte order mark
  if (content.find_first_not_of(" \t\r\n") == std::string_view::npos)
    return ReadError(source, "is empty");
  return LooksLikeJson(content, source) ? ParseJson(content, source) : ParseText(content, source);
}

absl::StatusOr<v1::JobSpec> LoadJobFile(const std::string& source,
                                        const std::vector<std::string>& settings,
                                        std::istream& standard_input) {
  ASSIGN_OR_RETURN(const std::string text, ReadJobText(source, standard_input));
  ASSIGN_OR_RETURN(v1::JobSpec spec, ParseJobText(text, source));
  for (const std::string& setting : settings) {
    // A job of another kind is another file; choosing it would throw away what the file says.
    const std::string replaced = ReplacedMember(spec, setting.substr(0, setting.find('=')));
    if (replaced == "training" || replaced == "prediction") {
      return absl::InvalidArgumentError(absl::StrCat("--set ", Escape(setting),
                                                     ": the job file has a ", replaced,
                                                     " block, and this would ", "throw it away"));
    }
    RETURN_IF_ERROR(SetField(spec, setting));
  }
  if (const std::string path = FindBadText(spec, ""); !path.empty()) {
    return ReadError(source, path + ": is not UTF-8");
  }
  return spec;
}

}  // namespace anneal::client
