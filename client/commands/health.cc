#include "client/commands/commands.h"
#include "grpc/health/v1/health_service.grpc.pb.h"

namespace anneal::client {
namespace {

struct Options {};

int RunHealth(Session& session, const Options&) {
  using grpc::health::v1::HealthCheckResponse;
  HealthCheckResponse response;
  const grpc::Status status = session.Call(&grpc::health::v1::Health::Stub::Check,
                                           grpc::health::v1::HealthCheckRequest(), &response);
  if (!status.ok()) return session.Fail(status);
  const bool serving = response.status() == HealthCheckResponse::SERVING;
  if (session.json()) {
    session.PrintJson(response);
  } else {
    session.out() << Escape(session.address().text) << " is "
                  << Paint(serving ? "SERVING" : "NOT_SERVING",
                           serving ? Color::kGreen : Color::kRed, session.style())
                  << "\n";
  }
  return serving ? kExitDone : kExitRefused;
}

}  // namespace

void AddHealth(CLI::App& app, Action& action) {
  auto [command, options] = AddVerb<Options>(
      app, action, "health", "Asks whether the daemon serves (grpc.health.v1)", RunHealth);
  command->footer(
      "Exit code 0: it serves; 3: it does not now; 4: nobody answers.\nExample:\n  anneal health "
      "&& anneal jobs");
}

}  // namespace anneal::client
