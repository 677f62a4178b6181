#include "server/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_folder.h"

namespace anneal {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

class ConfigTest : public testing::Test {
 protected:
  absl::StatusOr<CommandLine> Parse(const std::vector<std::string>& arguments) {
    return ParseCommandLine(arguments,
                            [this](const std::string& name) -> std::optional<std::string> {
                              const auto entry = environment_.find(name);
                              if (entry == environment_.end()) return std::nullopt;
                              return entry->second;
                            });
  }

  DaemonConfig Config(const std::vector<std::string>& arguments) {
    const auto parsed = Parse(arguments);
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    return parsed.ok() ? parsed->config : DaemonConfig();
  }

  // The message of the error.
  std::string Error(const std::vector<std::string>& arguments) {
    const auto parsed = Parse(arguments);
    EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << parsed.status();
    return Message(parsed.status());
  }

  std::string File(const std::string& text) {
    const std::string path = folder_.Join("anneald.textproto");
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  TempFolder folder_;
  std::map<std::string, std::string> environment_ = {{"HOME", "/home/someone"}};
};

TEST_F(ConfigTest, Defaults) {
  const DaemonConfig config = Config({});
  EXPECT_THAT(config.listen, ElementsAre("localhost:50551"));
  EXPECT_EQ(config.data_dir, "/home/someone/.local/share/anneal");
  EXPECT_GE(config.workers, 1);
  EXPECT_LE(config.workers, 64);
  EXPECT_TRUE(config.datasets.empty());
  EXPECT_FALSE(config.allow_insecure);
  EXPECT_EQ(config.log_level, "info");
  environment_["XDG_DATA_HOME"] = "/xdg";
  EXPECT_EQ(Config({}).data_dir, "/xdg/anneal");
  environment_.clear();
  EXPECT_THAT(Error({}), HasSubstr("--data-dir"));
}

TEST_F(ConfigTest, FlagsOverEnvironmentOverFileOverDefaults) {
  const std::string path = File(
      "listen: 'unix:/file' listen: 'localhost:1'\ndata_dir: '/file'\nworkers: 3\n"
      "datasets { name: 'c' format: 'cifar10' path: '/file/c' }\nallow_insecure: true\nlog_level: "
      "'trace'\n");
  DaemonConfig config = Config({"--config", path});
  EXPECT_THAT(config.listen, ElementsAre("unix:/file", "localhost:1"));
  EXPECT_EQ(config.data_dir, "/file");
  EXPECT_EQ(config.workers, 3);
  ASSERT_EQ(config.datasets.size(), 1u);
  EXPECT_TRUE(config.allow_insecure);
  EXPECT_EQ(config.log_level, "trace");

  environment_["ANNEALD_CONFIG"] = path;
  EXPECT_EQ(Config({}).workers, 3);
  environment_["ANNEALD_LISTEN"] = "unix:/env, localhost:2";
  environment_["ANNEALD_DATA_DIR"] = "/env";
  environment_["ANNEALD_WORKERS"] = "4";
  environment_["ANNEALD_DATASETS"] = "d=cifar10:/env/d";
  environment_["ANNEALD_ALLOW_INSECURE"] = "false";
  environment_["ANNEALD_LOG_LEVEL"] = "warn";
  config = Config({});
  EXPECT_THAT(config.listen, ElementsAre("unix:/env", "localhost:2"));
  EXPECT_EQ(config.data_dir, "/env");
  EXPECT_EQ(config.workers, 4);
  EXPECT_EQ(config.datasets.size(), 2u);
  EXPECT_FALSE(config.allow_insecure);
  EXPECT_EQ(config.log_level, "warn");

  config =
      Config({"--listen", "unix:/flag", "--listen=localhost:3", "--data-dir", "/flag/", "--workers",
              "5", "--dataset", "c=cifar10:/flag/c", "--allow-insecure", "--log-level", "error"});
  EXPECT_THAT(config.listen, ElementsAre("unix:/flag", "localhost:3"));
  EXPECT_EQ(config.data_dir, "/flag");
  EXPECT_EQ(config.workers, 5);
  ASSERT_EQ(config.datasets.size(), 2u);
  EXPECT_EQ(config.datasets[0].path, "/env/d");
  EXPECT_EQ(config.datasets[1].path, "/flag/c");  // of one name the higher place's counts
  EXPECT_TRUE(config.allow_insecure);
  EXPECT_EQ(config.log_level, "error");
}

TEST_F(ConfigTest, LimitsAreNoneUnlessSaid) {
  const DaemonConfig::Limits limits = Config({}).limits;
  EXPECT_EQ(limits.max_queued, 0);
  EXPECT_EQ(limits.max_queued_per_owner, 0);
  EXPECT_EQ(limits.max_running_per_owner, 0);
  EXPECT_EQ(limits.max_restarts, 5);
  // Of memory there is one: four fifths of what this machine has, or less.
  const int64_t machine_mib =
      int64_t{sysconf(_SC_PHYS_PAGES)} * sysconf(_SC_PAGESIZE) / (1 << 20);
  EXPECT_GT(limits.memory_mib, 0);
  EXPECT_LE(limits.memory_mib, machine_mib * 4 / 5 + 1);
}

TEST_F(ConfigTest, LimitsFromFlagsOverEnvironmentOverFile) {
  const std::string path = File(
      "limits { max_queued: 1 max_queued_per_owner: 2 max_running_per_owner: 3 memory_mib: 4 "
      "max_restarts: 0 }");
  DaemonConfig::Limits limits = Config({"--config", path}).limits;
  EXPECT_EQ(limits.max_queued, 1);
  EXPECT_EQ(limits.max_queued_per_owner, 2);
  EXPECT_EQ(limits.max_running_per_owner, 3);
  EXPECT_EQ(limits.memory_mib, 4);
  EXPECT_EQ(limits.max_restarts, 0);

  environment_["ANNEALD_MAX_QUEUED"] = "0";  // a limit of the file is taken back
  environment_["ANNEALD_MAX_QUEUED_PER_OWNER"] = "12";
  environment_["ANNEALD_MAX_RUNNING_PER_OWNER"] = "13";
  environment_["ANNEALD_MEMORY_MIB"] = "14";
  environment_["ANNEALD_MAX_RESTARTS"] = "15";
  limits = Config({"--config", path}).limits;
  EXPECT_EQ(limits.max_queued, 0);
  EXPECT_EQ(limits.max_queued_per_owner, 12);
  EXPECT_EQ(limits.max_running_per_owner, 13);
  EXPECT_EQ(limits.memory_mib, 14);
  EXPECT_EQ(limits.max_restarts, 15);

  limits = Config({"--config", path, "--max-queued", "1000000000", "--max-queued-per-owner=22",
                   "--max-running-per-owner", "64", "--memory-mib", "0", "--max-restarts", "25"})
               .limits;
  EXPECT_EQ(limits.max_queued, 1'000'000'000);
  EXPECT_EQ(limits.max_queued_per_owner, 22);
  EXPECT_EQ(limits.max_running_per_owner, 64);
  EXPECT_EQ(limits.memory_mib, 0);
  EXPECT_EQ(limits.max_restarts, 25);
}

TEST_F(ConfigTest, WrongLimitsAreSaid) {
  EXPECT_EQ(Error({"--max-queued=-1"}),
            "--max-queued: must be from 1 to 1000000000, or 0 for no limit, is -1");
  EXPECT_EQ(Error({"--max-running-per-owner", "65"}),
            "--max-running-per-owner: must be from 1 to 64, or 0 for no limit, is 65");
  EXPECT_EQ(Error({"--memory-mib", "8G"}),
            "--memory-mib: must be a whole number from 1 to 1073741824, or 0 for no limit, is "
            "'8G'");
  for (const char* wrong : {"-1", "x", "1.5", "1e3", "99999999999999999999", "1 2", "1000000001"}) {
    EXPECT_THAT(Error({absl::StrCat("--max-restarts=", wrong)}), StartsWith("--max-restarts: "))
        << wrong;
    environment_["ANNEALD_MAX_QUEUED_PER_OWNER"] = wrong;
    EXPECT_THAT(Error({}), StartsWith("ANNEALD_MAX_QUEUED_PER_OWNER: must be ")) << wrong;
    environment_.clear();
    environment_["HOME"] = "/home/someone";
  }
  const std::string path = File("limits { memory_mib: -2 }");
  EXPECT_EQ(Error({"--config", path}),
            absl::StrCat(path, ": limits.memory_mib: must be from 1 to 1073741824, or 0 for no "
                               "limit, is -2"));
  EXPECT_THAT(Error({"--config", File("limits { max_running: 1 }")}), HasSubstr("max_running"));
}

TEST_F(ConfigTest, AnEmptyVariableIsNone) {
  for (const char* name :
       {"ANNEALD_CONFIG", "ANNEALD_LISTEN", "ANNEALD_DATA_DIR", "ANNEALD_WORKERS",
        "ANNEALD_DATASETS", "ANNEALD_ALLOW_INSECURE", "ANNEALD_LOG_LEVEL", "ANNEALD_MAX_QUEUED",
        "XDG_DATA_HOME"}) {
    environment_[name] = "";
  }
  EXPECT_EQ(Config({}).ToTextProto(),
            (environment_ = {{"HOME", "/home/someone"}}, Config({}).ToTextProto()));
}

TEST_F(ConfigTest, TheFilesErrorsHaveLineAndColumn) {
  std::string path = File("workers: 2\n  no_such_field: 1\n");
  EXPECT_THAT(Error({"--config", path}), StartsWith(absl::StrCat(path, ":2:16: ")));
  EXPECT_THAT(Error({"--config", path}), HasSubstr("no_such_field"));
  path = File("workers: 'two'\n");
  EXPECT_THAT(Error({"--config", path}), StartsWith(absl::StrCat(path, ":1:10: ")));
  path = File("listen: 'a'\nworkers: 99999999999\n");
  EXPECT_THAT(Error({"--config", path}), StartsWith(absl::StrCat(path, ":2:")));
  path = File("listen {");
  EXPECT_THAT(Error({"--config", path}), StartsWith(path));
  path = File(std::string("\0\xFF\x01 binary", 10));
  EXPECT_THAT(Error({"--config", path}), StartsWith(path));
}

TEST_F(ConfigTest, TheFilesValuesAreChecked) {
  EXPECT_THAT(Error({"--config", File("workers: 0")}),
              HasSubstr("workers: must be from 1 to 64, is 0"));
  EXPECT_THAT(Error({"--config", File("workers: -1")}), HasSubstr("is -1"));
  EXPECT_THAT(Error({"--config", File("log_level: 'loud'")}), HasSubstr("is 'loud'"));
  EXPECT_THAT(Error({"--config", File("datasets { format: 'cifar10' }")}),
              HasSubstr("datasets[0]: there is no name"));
  EXPECT_THAT(Error({"--config", File("datasets { name: 'x' }")}),
              HasSubstr("datasets[0] ('x'): there is no format"));
  EXPECT_THAT(
      Error({"--config",
             File("datasets { name: 'x' format: 'f' } datasets { name: 'x' format: 'f' }")}),
      HasSubstr("'x' is given twice"));
  EXPECT_EQ(Config({"--config", File("")}).workers,
            Config({}).workers);  // an empty file says nothing
}

TEST_F(ConfigTest, AFileThatCannotBeReadIsSaid) {
  const auto missing = Parse({"--config", folder_.Join("nothing")});
  EXPECT_EQ(missing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Message(missing.status()), HasSubstr(folder_.Join("nothing")));
  EXPECT_THAT(Error({"--config", folder_.path()}), HasSubstr("is a folder"));
}

TEST_F(ConfigTest, WrongFlagsAreSaid) {
  EXPECT_THAT(Error({"--no-such-flag"}), HasSubstr("--no-such-flag"));
  EXPECT_THAT(Error({"stray"}), HasSubstr("stray"));
  EXPECT_THAT(Error({"--workers"}), HasSubstr("--workers"));
  EXPECT_THAT(Error({"--listen"}), HasSubstr("--listen"));
  EXPECT_THAT(Error({"--listen", "localhost:1", "localhost:2"}), HasSubstr("localhost:2"));
  for (const char* workers : {"0", "65", "-1", "x", "1.5", "99999999999999999999", "1 2", "0x2"}) {
    EXPECT_THAT(Error({absl::StrCat("--workers=", workers)}), StartsWith("--workers: must be "))
        << workers;
  }
  EXPECT_THAT(Error({"--log-level", "INFO"}),
              HasSubstr("--log-level: must be trace, debug, info, warn or error"));
  EXPECT_THAT(Error({"--dataset", "a=f:/x", "--dataset", "a=f:/y"}),
              HasSubstr("'a' is given twice"));
}

TEST_F(ConfigTest, WrongVariablesAreSaid) {
  environment_["ANNEALD_WORKERS"] = "many";
  EXPECT_EQ(Error({}), "ANNEALD_WORKERS: must be a number, is 'many'");
  environment_["ANNEALD_WORKERS"] = "1";
  environment_["ANNEALD_ALLOW_INSECURE"] = "perhaps";
  EXPECT_THAT(Error({}), StartsWith("ANNEALD_ALLOW_INSECURE: must be true or false"));
  environment_.erase("ANNEALD_ALLOW_INSECURE");
  environment_["ANNEALD_LOG_LEVEL"] = "x";
  EXPECT_THAT(Error({}), StartsWith("ANNEALD_LOG_LEVEL"));
  environment_.erase("ANNEALD_LOG_LEVEL");
  environment_["ANNEALD_DATASETS"] = "a=f:/x,b";
  EXPECT_THAT(Error({}), StartsWith("ANNEALD_DATASETS: 'b' is not NAME=FORMAT:PATH"));
}

TEST_F(ConfigTest, DatasetsOnTheCommandLine) {
  const auto plain = ParseDataset("name=cifar10:/data/a:b=c", "--dataset");
  ASSERT_TRUE(plain.ok());
  EXPECT_EQ(plain->name, "name");
  EXPECT_EQ(plain->format, "cifar10");
  EXPECT_EQ(plain->path, "/data/a:b=c");
  const auto generated = ParseDataset("shapes=synthetic-shapes", "--dataset");
  ASSERT_TRUE(generated.ok());
  EXPECT_EQ(generated->format, "synthetic-shapes");
  EXPECT_EQ(generated->path, "");
  for (const char* text : {"", "=", "=cifar10:/x", "name", "name=", "name=:/x", "name:cifar10"}) {
    EXPECT_EQ(ParseDataset(text, "--dataset").status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
}

TEST_F(ConfigTest, RelativePathsBecomeAbsolute) {
  const DaemonConfig config =
      Config({"--data-dir", "some/../where", "--dataset", "a=cifar10:data"});
  const std::string here = std::filesystem::current_path().string();
  EXPECT_EQ(config.data_dir, here + "/where");
  EXPECT_EQ(config.datasets[0].path, here + "/data");
}

TEST_F(ConfigTest, HelpAndVersion) {
  const auto help = Parse({"--help"});
  ASSERT_TRUE(help.ok());
  for (const char* flag : {"--config", "--listen", "--data-dir", "--workers", "--dataset",
                           "--allow-insecure", "--log-level", "--version", "--max-queued",
                           "--max-queued-per-owner", "--max-running-per-owner", "--memory-mib",
                           "--max-restarts", "ANNEALD_LISTEN", "ANNEALD_MAX_QUEUED"}) {
    EXPECT_THAT(help->print.value_or(""), HasSubstr(flag));
  }
  environment_["ANNEALD_WORKERS"] = "wrong";  // does not matter then
  const auto version = Parse({"--version"});
  ASSERT_TRUE(version.ok()) << version.status();
  EXPECT_THAT(version->print.value_or(""), StartsWith("anneald " ANNEAL_VERSION " ("));
}

TEST_F(ConfigTest, TheEffectiveConfigurationCanBeGivenAgain) {
  const DaemonConfig config = Config({"--listen", "unix:/a 'b'", "--data-dir", "/d", "--workers",
                                      "2", "--dataset", "c=cifar10:/e\n/f", "--allow-insecure",
                                      "--max-queued", "7", "--max-restarts", "0"});
  EXPECT_THAT(config.ToTextProto(), HasSubstr("limits { max_queued: 7 "));
  environment_.clear();
  const DaemonConfig again = Config({"--config", File(config.ToTextProto())});
  EXPECT_EQ(again.ToTextProto(), config.ToTextProto());
  EXPECT_EQ(again.listen, config.listen);
  EXPECT_EQ(again.datasets[0].path, "/e\n/f");
  EXPECT_EQ(config.ToTextProto().find('\n'), std::string::npos);
}

}  // namespace
}  // namespace anneal
