#include "tools/do-agent-receiver/auth.h"

#include <strings.h>

#include "tools/do-agent-receiver/tokens.h"
#include "uploader/credential_files.h"

namespace doagent::receiver {

namespace {

tl::unexpected<Error> NotLetIn(std::string what) {
  return Fail(ErrorCode::kRefuse, "authentication", std::move(what));
}

// The token of "Bearer TOKEN"; the scheme's case does not matter (RFC 9110, 11.1).
std::optional<std::string_view> BearerToken(std::string_view value) {
  constexpr std::string_view kScheme = "bearer ";
  if (value.size() < kScheme.size() ||
      strncasecmp(value.data(), kScheme.data(), kScheme.size()) != 0) {
    return std::nullopt;
  }
  value.remove_prefix(kScheme.size());
  if (!uploader::IsToken(value)) return std::nullopt;
  return value;
}

}  // namespace

Result<spool::Principal> Authenticate(const AuthPolicy& policy, const Credentials& credentials) {
  if (!policy.find_token && !policy.certificates) return spool::Principal{"anonymous", false};
  if (policy.find_token && !credentials.authorization.empty()) {
    const auto token = credentials.authorization.size() == 1
                           ? BearerToken(credentials.authorization.front())
                           : std::nullopt;
    if (!token) return NotLetIn("the authorization metadata must be one `Bearer TOKEN`");
    auto principal = policy.find_token(*token);
    if (!principal) return NotLetIn("the token is not known here");
    return *std::move(principal);
  }
  if (policy.certificates && credentials.certificate_name) {
    const std::string& name = *credentials.certificate_name;
    if (name.empty() || name.size() > kPrincipalBytesMax) {
      return NotLetIn("the certificate's subject has no usable common name");
    }
    return spool::Principal{name, false};
  }
  return NotLetIn(policy.find_token ? "a token is needed" : "a client certificate is needed");
}

}  // namespace doagent::receiver
