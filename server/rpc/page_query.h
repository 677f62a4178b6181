// What the token of a page is bound to: the question, without the place in its answer.
#pragma once

#include <string>

#include "server/rpc/digest.h"

namespace anneal {

// The same bytes for every page of one question. `Request` has page_size and page_token.
template <typename Request>
std::string PageQuery(Request request) {
  request.clear_page_token();
  request.clear_page_size();
  return request.GetDescriptor()->full_name() + SerializeDeterministic(request);
}

}  // namespace anneal
