// A job file: reading it, and changing single fields of it from the command line.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "anneal/v1/job.pb.h"

namespace anneal::client {

inline constexpr int64_t kMaxJobFileBytes = 16 * 1024 * 1024;

// The text that `source` names: a file, "-" (all of `standard_input`), or "recipe:NAME" (a job file
// that ships with the client). INVALID_ARGUMENT with a sentence that names the source: it cannot be
// read, is longer than kMaxJobFileBytes, or there is no such recipe. Blocks while a pipe does.
absl::StatusOr<std::string> ReadJobText(const std::string& source, std::istream& standard_input);

// Parses protobuf JSON where `source` ends in ".json" or the first character that is not white
// space is '{', else protobuf text format. INVALID_ARGUMENT, each line of the message as
// "SOURCE:LINE:COLUMN: what is wrong" (JSON that is well formed but no JobSpec has the field's path
// instead of the place). Unknown fields are errors. Bounded in depth (100).
absl::StatusOr<v1::JobSpec> ParseJobText(const std::string& text, const std::string& source);

// Reads and parses `source`, then applies each of `settings` (see set_field.h) in order.
absl::StatusOr<v1::JobSpec> LoadJobFile(const std::string& source,
                                        const std::vector<std::string>& settings,
                                        std::istream& standard_input);

}  // namespace anneal::client
