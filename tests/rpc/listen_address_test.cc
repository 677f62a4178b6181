#include "server/rpc/listen_address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/support/temp_folder.h"

namespace anneal {
namespace {

using testing::HasSubstr;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

ListenAddress Parsed(const std::string& text, bool allow_insecure = false) {
  const auto address = ParseListenAddress(text, allow_insecure);
  EXPECT_TRUE(address.ok()) << address.status();
  return address.ok() ? *address : ListenAddress();
}

// A socket that listens, as another process would have it.
class Listener {
 public:
  // On a port that the system chooses.
  Listener() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in name = {};
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
    EXPECT_EQ(listen(fd_, 1), 0);
    socklen_t size = sizeof(name);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&name), &size), 0);
    port_ = ntohs(name.sin_port);
  }
  explicit Listener(const std::string& path) : fd_(socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un name = {};
    name.sun_family = AF_UNIX;
    std::strcpy(name.sun_path, path.c_str());
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&name), sizeof(name)), 0);
    EXPECT_EQ(listen(fd_, 1), 0);
  }
  ~Listener() { close(fd_); }
  int port() const { return port_; }

 private:
  const int fd_;
  int port_ = 0;
};

TEST(ListenAddressTest, TakesUnixSocketsAndLoopback) {
  EXPECT_EQ(Parsed("unix:/run/anneal.sock").ToString(), "unix:/run/anneal.sock");
  EXPECT_EQ(Parsed("unix:relative.sock").ToString(), "unix:relative.sock");
  EXPECT_EQ(Parsed("unix:///run/anneal.sock").ToString(), "unix:/run/anneal.sock");
  EXPECT_EQ(Parsed("localhost:50551").ToString(), "127.0.0.1:50551");
  EXPECT_EQ(Parsed("127.0.0.1:0").ToString(), "127.0.0.1:0");
  EXPECT_EQ(Parsed("127.255.3.4:65535").ToString(), "127.255.3.4:65535");
  EXPECT_EQ(Parsed("[::1]:50551").ToString(), "[::1]:50551");
}

TEST(ListenAddressTest, RefusesOtherMachinesUnlessInsecureIsAllowed) {
  for (const char* text :
       {"0.0.0.0:50551", "[::]:50551", "192.168.1.2:50551", "10.0.0.1:1", "example.org:50551",
        "128.0.0.1:50551", "126.255.255.255:50551", "[2001:db8::1]:50551", "[::2]:50551",
        "[::ffff:8.8.8.8]:50551", "localhost.example.org:1", "LOCALHOST.:1", "2130706433:1", "0:1",
        "127.1:1", "*:1"}) {
    const auto address = ParseListenAddress(text, false);
    EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument) << text;
    EXPECT_THAT(Message(address.status()), HasSubstr("plain text")) << text;
    EXPECT_THAT(Message(address.status()), HasSubstr("--allow-insecure")) << text;
    EXPECT_TRUE(ParseListenAddress(text, true).ok()) << text;
  }
}

TEST(ListenAddressTest, RefusesWhatIsNoAddress) {
  for (const std::string& text : {std::string(),
                                  std::string("localhost"),
                                  std::string(":50551"),
                                  std::string("localhost:"),
                                  std::string("localhost:x"),
                                  std::string("localhost:65536"),
                                  std::string("localhost:-1"),
                                  std::string("localhost:1 "),
                                  std::string("localhost:000080"),
                                  std::string("::1:50551"),
                                  std::string("[::1]"),
                                  std::string("[::1:50551"),
                                  std::string("[localhost]:1"),
                                  std::string("[]:1"),
                                  std::string("a b:1"),
                                  std::string("a,b:1"),
                                  std::string("http://localhost:1"),
                                  std::string("unix:"),
                                  std::string("unix:/run/"),
                                  std::string("unix:a\0b", 8),
                                  std::string("\xFF\xFE:1"),
                                  std::string("\0:1", 3),
                                  std::string(100'000, 'a')}) {
    for (const bool allow_insecure : {false, true}) {
      EXPECT_EQ(ParseListenAddress(text, allow_insecure).status().code(),
                absl::StatusCode::kInvalidArgument)
          << text.substr(0, 100);
    }
  }
}

TEST(ListenAddressTest, ThePathOfASocketMustFit) {
  constexpr size_t kMost = sizeof(sockaddr_un::sun_path) - 1;
  EXPECT_TRUE(ParseListenAddress("unix:" + std::string(kMost, 'p'), false).ok());
  const auto address = ParseListenAddress("unix:" + std::string(kMost + 1, 'p'), false);
  EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(Message(address.status()), HasSubstr("has 108 bytes; the system takes at most 107"));
}

TEST(CheckListenAddressTest, APortInUseIsSaid) {
  const Listener other;
  const absl::Status status = CheckListenAddress(Parsed(absl::StrCat("localhost:", other.port())));
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Message(status), HasSubstr(absl::StrCat("cannot listen on 127.0.0.1:", other.port(),
                                                      ": the port is in use")));
  EXPECT_TRUE(CheckListenAddress(Parsed("127.0.0.1:0")).ok());
}

TEST(CheckListenAddressTest, AnAddressOfAnotherMachineIsSaid) {
  // 192.0.2.0/24 is for documentation (RFC 5737): no machine has it.
  EXPECT_THAT(Message(CheckListenAddress(Parsed("192.0.2.1:50551", true))),
              HasSubstr("this machine has no such address"));
}

TEST(CheckListenAddressTest, AStaleSocketIsRemovedAndALiveOneRefused) {
  const TempFolder folder;
  const std::string path = folder.Join("s");
  const ListenAddress address = Parsed("unix:" + path);
  EXPECT_TRUE(CheckListenAddress(address).ok());
  {
    const Listener live(path);
    const absl::Status status = CheckListenAddress(address);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(Message(status), HasSubstr("another process listens on this socket"));
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  ASSERT_TRUE(std::filesystem::exists(path));  // closing leaves the file, as a killed daemon does
  EXPECT_TRUE(CheckListenAddress(address).ok());
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(CheckListenAddressTest, OtherFilesAreLeftAlone) {
  const TempFolder folder;
  std::ofstream(folder.Join("file")) << "precious";
  EXPECT_THAT(Message(CheckListenAddress(Parsed("unix:" + folder.Join("file")))),
              HasSubstr("not a socket"));
  EXPECT_EQ(std::filesystem::file_size(folder.Join("file")), 8u);
  std::filesystem::create_directory(folder.Join("folder"));
  EXPECT_THAT(Message(CheckListenAddress(Parsed("unix:" + folder.Join("folder")))),
              HasSubstr("not a socket"));
  // A link, even to a stale socket: what it points at belongs to somebody else.
  { const Listener gone(folder.Join("target")); }
  std::filesystem::create_symlink(folder.Join("target"), folder.Join("link"));
  EXPECT_THAT(Message(CheckListenAddress(Parsed("unix:" + folder.Join("link")))),
              HasSubstr("not a socket"));
  EXPECT_TRUE(std::filesystem::exists(folder.Join("target")));
}

TEST(CheckListenAddressTest, AMissingFolderIsSaid) {
  const TempFolder folder;
  EXPECT_THAT(Message(CheckListenAddress(Parsed("unix:" + folder.Join("no/such/s")))),
              HasSubstr(absl::StrCat("there is no folder ", folder.Join("no/such"))));
}

}  // namespace
}  // namespace anneal
