#include "server/core/version.h"

#include "client/commands/commands.h"
#include "nlohmann/json.hpp"

namespace anneal::client {
namespace {

struct Options {};

int RunVersion(Session& session, const Options&) {
  if (session.json()) {
    session.out() << nlohmann::json{{"version", kVersion}, {"build", kBuild}}.dump() << "\n";
  } else {
    session.out() << "anneal " << kVersion << " (" << kBuild << ")\n";
  }
  return kExitDone;
}

}  // namespace

void AddVersion(CLI::App& app, Action& action) {
  auto [command, options] =
      AddVerb<Options>(app, action, "version", "Prints the version of this client; needs no daemon",
                       RunVersion, /*needs_server=*/false);
  command->footer("Example:\n  anneal version");
}

}  // namespace anneal::client
