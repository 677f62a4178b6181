#include "client/job_file.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/support/temp_folder.h"

namespace anneal::client {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string ErrorOf(const std::string& text, const std::string& source = "job.textproto") {
  const auto spec = ParseJobText(text, source);
  EXPECT_FALSE(spec.ok()) << text;
  EXPECT_EQ(spec.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(spec.status().message());
}

TEST(ParseJobTextTest, TextFormat) {
  const auto spec =
      ParseJobText("# a comment\nname: \"n\"  # more\ntraining { epochs: 3 }\n", "job.textproto");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->name(), "n");
  EXPECT_EQ(spec->training().epochs(), 3);
}

TEST(ParseJobTextTest, JsonByExtensionOrByItsFirstCharacter) {
  const std::string json = R"({"name": "n", "training": {"epochs": "3", "batchSize": 8,
      "optimizer": {"nadam": {"learningRate": 1e-4, "beta_1": 0.8}}}})";
  for (const auto& [text, source] : {std::pair<std::string, std::string>{"\n \t" + json, "job.txt"},
                                     {json, "job.json"},
                                     {"\xef\xbb\xbf" + json, "-"}}) {
    const auto spec = ParseJobText(text, source);
    ASSERT_TRUE(spec.ok()) << spec.status();
    EXPECT_EQ(spec->training().epochs(), 3);
    EXPECT_EQ(spec->training().optimizer().nadam().learning_rate(), 1e-4);
    EXPECT_EQ(spec->training().optimizer().nadam().beta_1(), 0.8);
  }
  EXPECT_THAT(ErrorOf("name: \"n\"", "job.json"), StartsWith("job.json:1:"));
}

TEST(ParseJobTextTest, WindowsLineEndsAndByteOrderMark) {
  const auto spec = ParseJobText("\xef\xbb\xbf# c\r\nname: \"n\"\r\n", "job.textproto");
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->name(), "n");
}

TEST(ParseJobTextTest, TextErrorsSayLineAndColumn) {
  EXPECT_THAT(ErrorOf("name: \"n\"\ntraining {\n  epoch: 3\n}\n"),
              AllOf(StartsWith("job.textproto:3:3: there is no \"epoch\" here (did you mean "
                               "\"epochs\"?); TrainingSpec has: "),
                    HasSubstr("batch_size, epochs")));
  EXPECT_THAT(ErrorOf("\t\tepoch\n\n\t: 3"), StartsWith("job.textproto:1:3: "));
  EXPECT_THAT(ErrorOf("name:\t\t3"), StartsWith("job.textproto:1:8: "));
  EXPECT_THAT(ErrorOf("training {\n  epochs: three\n}\n"), StartsWith("job.textproto:2:11: "));
  EXPECT_THAT(ErrorOf("training {\n  epochs: 3\n"), StartsWith("job.textproto:3:1: "));
  EXPECT_THAT(ErrorOf("name: \"a\"\nname: \"b\"\n"),
              AllOf(StartsWith("job.textproto:2:"), HasSubstr("multiple times")));
  EXPECT_THAT(ErrorOf("training { optimizer { sgd {} adam {} } }"),
              HasSubstr("another member of oneof"));
  EXPECT_THAT(ErrorOf("training { network { layers { dense { activation: RELUU } } } }"),
              HasSubstr("RELUU"));
  EXPECT_THAT(ErrorOf("{}{", "-"), StartsWith("standard input:1:3: "));
}

TEST(ParseJobTextTest, JsonErrorsSayLineAndColumnOrPath) {
  EXPECT_THAT(ErrorOf("{\n  \"name\": \"n\",\n  \"training\": {,}\n}", "job.json"),
              AllOf(StartsWith("job.json:3:16: "), HasSubstr("unexpected ','")));
  EXPECT_THAT(
      ErrorOf(R"({"training": {"epoch": 3}})", "job.json"),
      StartsWith("job.json: training: there is no \"epoch\" here (did you mean \"epochs\"?); "
                 "TrainingSpec has: dataset"));
  EXPECT_THAT(ErrorOf(R"({"nam": 3})", "job.json"),
              StartsWith("job.json: there is no \"nam\" here (did you mean \"name\"?)"));
  EXPECT_THAT(ErrorOf(R"({"training": {"network": {"layers": [{}, {"repeat": {"layers":
                         [{"maxPooling2d": {"pool": 1}}]}}]}}})",
                      "job.json"),
              StartsWith("job.json: training.network.layers[1].repeat.layers[0].max_pooling2d: "
                         "there is no \"pool\" here"));
  EXPECT_THAT(ErrorOf("{\"training\": {\"epochs\": \"x\"}}", "job.json"), HasSubstr("epochs"));
  EXPECT_THAT(ErrorOf("[]", "job.json"), StartsWith("job.json"));
  EXPECT_THAT(ErrorOf("3", "job.json"), StartsWith("job.json"));
  EXPECT_THAT(ErrorOf("{\"name\": \"\xff\"}", "job.json"), StartsWith("job.json:1:11: "));
  EXPECT_THAT(ErrorOf("{\"training\": {\"optimizer\": {\"sgd\": {}, \"adam\": {}}}}", "job.json"),
              HasSubstr("oneof"));
}

TEST(ParseJobTextTest, EmptyIsAnError) {
  for (const char* text : {"", " \n\t\r\n", "\xef\xbb\xbf"}) {
    EXPECT_THAT(ErrorOf(text), HasSubstr("is empty"));
  }
}

TEST(ParseJobTextTest, DeepNestingIsRefusedAndDoesNotCrash) {
  std::string text = "training { network { ";
  std::string json = R"({"training": {"network": )";
  for (int i = 0; i < 200'000; ++i) {
    text += "layers { repeat { ";
    json += R"({"layers": [{"repeat": )";
  }
  EXPECT_THAT(ErrorOf(text), HasSubstr("recursion limit"));
  EXPECT_THAT(ErrorOf(json, "job.json"), StartsWith("job.json"));
  EXPECT_THAT(ErrorOf(std::string(1'000'000, '[') + std::string(1'000'000, ']'), "job.json"),
              StartsWith("job.json"));
}

TEST(ParseJobTextTest, HostileBytesAreShownEscaped) {
  EXPECT_THAT(ErrorOf("name: \x1b[31m"), testing::Not(HasSubstr("\x1b")));
  EXPECT_THAT(ErrorOf(std::string("na\0me: 3", 8)), StartsWith("job.textproto:1:"));
  EXPECT_THAT(ErrorOf("x: 1", "evil\x1b[2J"), StartsWith("evil\\x1b[2J:1:1"));
}

class LoadJobFileTest : public testing::Test {
 protected:
  std::string Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_.Join(name), std::ios::binary) << text;
    return folder_.Join(name);
  }
  std::string ErrorOf(const std::string& source, const std::vector<std::string>& settings = {}) {
    const auto spec = LoadJobFile(source, settings, in_);
    EXPECT_FALSE(spec.ok());
    return std::string(spec.status().message());
  }

  TempFolder folder_;
  std::istringstream in_;
};

TEST_F(LoadJobFileTest, SettingsAreAppliedInOrder) {
  const auto spec = LoadJobFile(Write("a", "training { epochs: 1 }"),
                                {"training.epochs=2", "training.epochs=3", "name=x"}, in_);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->training().epochs(), 3);
  EXPECT_EQ(spec->name(), "x");
}

TEST_F(LoadJobFileTest, StandardInput) {
  in_.str("name: \"from a pipe\"");
  const auto spec = LoadJobFile("-", {}, in_);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->name(), "from a pipe");
}

TEST_F(LoadJobFileTest, WhatCannotBeRead) {
  EXPECT_THAT(ErrorOf(folder_.Join("none")), AllOf(HasSubstr("none"), HasSubstr("No such file")));
  EXPECT_THAT(ErrorOf(folder_.path()), HasSubstr("is a folder"));
  EXPECT_THAT(ErrorOf("quickstart"), HasSubstr("the recipe is recipe:quickstart"));
  EXPECT_THAT(ErrorOf("recipe:none"), AllOf(HasSubstr("no recipe"), HasSubstr("quickstart")));
  EXPECT_THAT(ErrorOf(Write("big", std::string(kMaxJobFileBytes + 1, '#'))), HasSubstr("16.0 MiB"));
  EXPECT_THAT(ErrorOf(Write("largest", std::string(kMaxJobFileBytes, ' '))), HasSubstr("is empty"));
}

TEST_F(LoadJobFileTest, TextMustBeUtf8) {
  EXPECT_THAT(ErrorOf(Write("a", "name: \"\\377\"")), HasSubstr("name: is not UTF-8"));
  EXPECT_THAT(ErrorOf(Write("b", "training {}"), {"training.dataset.name=\xc0\x80"}),
              HasSubstr("training.dataset.name: is not UTF-8"));
  EXPECT_THAT(ErrorOf(Write(
                  "c", "training { network { layers {} layers { name: \"\\xed\\xa0\\x80\" } } }")),
              HasSubstr("training.network.layers[1].name: is not UTF-8"));
  const auto spec = LoadJobFile(Write("d", "name: \"Übung 日本 🙂\""), {}, in_);
  ASSERT_TRUE(spec.ok()) << spec.status();
  EXPECT_EQ(spec->name(), "Übung 日本 🙂");
}

}  // namespace
}  // namespace anneal::client
