// Who a client is: the principal behind its token or its certificate.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spool/inbox.h"
#include "spool/result.h"

namespace doagent::receiver {

// What a client shows. A certificate counts only when it was verified.
struct Credentials {
  std::vector<std::string> authorization;       // values of that metadata key
  std::optional<std::string> certificate_name;  // the subject's common name
};

struct AuthPolicy {
  // Both may be set: then either will do, and a token that is sent decides. Neither: everybody is
  // "anonymous".
  std::function<std::optional<spool::Principal>(std::string_view token)> find_token;
  bool certificates = false;
};

// kRefuse: not let in; the text is for the client, and tells nothing about what would be right.
Result<spool::Principal> Authenticate(const AuthPolicy& policy, const Credentials& credentials);

}  // namespace doagent::receiver
