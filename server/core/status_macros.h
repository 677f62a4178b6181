// Early return on error, for absl::Status and absl::StatusOr.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define ANNEAL_CONCAT_INNER_(a, b) a##b
#define ANNEAL_CONCAT_(a, b) ANNEAL_CONCAT_INNER_(a, b)

// Evaluates `expression` (an absl::Status) once; returns it from the function if it is not OK.
#define RETURN_IF_ERROR(expression)                  \
  do {                                               \
    ::absl::Status anneal_status_ = (expression);    \
    if (!anneal_status_.ok()) return anneal_status_; \
  } while (false)

// Evaluates `expression` (an absl::StatusOr<T>) once; returns its status if it is not OK, else
// moves the value into `declaration`.
#define ASSIGN_OR_RETURN(declaration, expression) \
  ASSIGN_OR_RETURN_IMPL_(ANNEAL_CONCAT_(anneal_statusor_, __LINE__), declaration, expression)

#define ASSIGN_OR_RETURN_IMPL_(result, declaration, expression) \
  auto result = (expression);                                   \
  if (!result.ok()) return std::move(result).status();          \
  declaration = *std::move(result)
