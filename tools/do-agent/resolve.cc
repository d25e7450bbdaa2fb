#include "tools/do-agent/resolve.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <future>
#include <memory>
#include <system_error>
#include <thread>
#include <utility>

#include "tools/cli/duration.h"

namespace doagent::agent {
namespace {

using Addresses = Result<std::vector<std::string>>;

Addresses Ask(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;  // each address once
  addrinfo* found = nullptr;
  const int code = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (code != 0) {
    const std::string why =
        code == EAI_SYSTEM ? std::generic_category().message(errno) : ::gai_strerror(code);
    return Fail(ErrorCode::kRetry, host, "cannot be resolved: " + why);
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, ::freeaddrinfo);
  std::vector<std::string> texts;
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    std::array<char, NI_MAXHOST> text{};
    if (::getnameinfo(one->ai_addr, one->ai_addrlen, text.data(), text.size(), nullptr, 0,
                      NI_NUMERICHOST) == 0) {
      texts.emplace_back(text.data());
    }
  }
  if (texts.empty()) return Fail(ErrorCode::kRetry, host, "cannot be resolved: no address");
  return texts;
}

}  // namespace

Addresses Resolve(const cli::HostPort& address, Nanoseconds patience) {
  // The resolver has no time limit of ours, and nothing can interrupt it.
  auto answer = std::make_shared<std::promise<Addresses>>();
  auto asked = answer->get_future();
  std::thread([answer, host = address.host] { answer->set_value(Ask(host)); }).detach();
  if (asked.wait_for(patience) != std::future_status::ready) {
    return Fail(ErrorCode::kRetry, address.host,
                "cannot be resolved: no answer within " + cli::FormatDuration(patience));
  }
  return asked.get();
}

}  // namespace doagent::agent
