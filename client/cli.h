// The command line: from arguments to the verb that serves them.
#pragma once

#include <string>
#include <vector>

#include "client/environment.h"

namespace anneal::client {

// Does what `arguments` (without the program's name) ask, and returns the exit code (see ExitCode
// in status.h). Opens no connection for verbs that need none. Throws nothing.
int RunCli(const std::vector<std::string>& arguments, Environment& environment);

}  // namespace anneal::client
