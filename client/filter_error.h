// Where a filter of predictions goes wrong. A pure function.
#pragma once

#include <string>

#include "client/render.h"
#include "grpcpp/support/status.h"

namespace anneal::client {

// Where `status` has a violation of the field `filter` that begins "at character N: ", two lines
// that end in '\n': the filter, escaped and indented, and below it a caret under the character N
// (from 1, in characters; one behind the last is the end). Of a filter wider than style.columns,
// what is around the caret. "" otherwise. `filter` is UTF-8.
std::string FilterErrorText(const std::string& filter, const grpc::Status& status,
                            const Style& style);

}  // namespace anneal::client
