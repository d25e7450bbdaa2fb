#include "tools/cli/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace doagent::cli {
namespace {

constexpr std::size_t kHostBytesMax = 253;  // RFC 1035, as text

std::string Quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

std::optional<std::uint16_t> ParsePort(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

bool IsIpv6(const std::string& text) {
  in6_addr address{};
  // A zone, as in fe80::1%eth0, is for the resolver.
  return inet_pton(AF_INET6, text.substr(0, text.find('%')).c_str(), &address) == 1;
}

// What host names and IPv4 addresses consist of; an underscore is not RFC 952 but in use.
bool IsHostName(std::string_view text) {
  return !text.empty() && text.size() <= kHostBytesMax && text.front() != '-' &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '.' || c == '_';
         });
}

}  // namespace

std::string HostPort::Text() const {
  const bool ipv6 = host.find(':') != std::string::npos;
  return (ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

bool HostPort::IsLoopback() const {
  if (host == "localhost") return true;
  in_addr ipv4{};
  if (inet_pton(AF_INET, host.c_str(), &ipv4) == 1) return ntohl(ipv4.s_addr) >> 24 == 127;
  in6_addr ipv6{};
  return inet_pton(AF_INET6, host.c_str(), &ipv6) == 1 && IN6_IS_ADDR_LOOPBACK(&ipv6);
}

Result<HostPort> ParseHostPort(std::string_view text) {
  const auto refuse = [text](const std::string& why) {
    return Fail(ErrorCode::kRefuse, "",
                Quoted(text) + " " + why + "; write for example 127.0.0.1:4317 or [::1]:4317");
  };

  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || text.back() == ']') return refuse("has no port");
  const auto port = ParsePort(text.substr(colon + 1));
  if (!port) return refuse("has no port from 0 to 65535 behind its last colon");

  std::string host(text.substr(0, colon));
  if (!host.empty() && host.front() == '[') {
    if (host.back() != ']') return refuse("has a bracket that is not closed");
    host = host.substr(1, host.size() - 2);
    if (!IsIpv6(host)) return refuse("has no IPv6 address between its brackets");
  } else if (host.find(':') != std::string::npos) {
    return refuse("has an IPv6 address without brackets");
  } else if (!IsHostName(host)) {
    return refuse("has no host name or address before the port");
  }
  return HostPort{std::move(host), *port};
}

std::string Endpoint::Url() const {
  return (tls ? "grpcs://" : "grpc://") + address.Text();
}

Result<Endpoint> ParseEndpoint(std::string_view url) {
  const auto refuse = [url](const std::string& why) {
    return Fail(ErrorCode::kRefuse, "",
                Quoted(url) + " " + why + "; write for example grpcs://metrics.example:4317");
  };

  const std::size_t separator = url.find("://");
  if (separator == std::string_view::npos) return refuse("has no scheme");
  const std::string_view scheme = url.substr(0, separator);
  if (scheme == "otlp" || scheme == "otlps") {
    return refuse(
        "asks for OTLP, which this version does not speak; it sends to a "
        "do-agent-receiver, by grpcs:// (TLS) or grpc:// (plaintext)");
  }
  if (scheme != "grpcs" && scheme != "grpc") {
    return refuse("has an unknown scheme: grpcs:// (TLS) and grpc:// (plaintext) are known");
  }

  std::string_view authority = url.substr(separator + 3);
  if (!authority.empty() && authority.back() == '/') authority.remove_suffix(1);
  if (authority.find_first_of("/?#@") != std::string_view::npos) {
    return refuse("has more than a host and a port");
  }
  auto address = ParseHostPort(authority);
  if (!address) {
    return Fail(ErrorCode::kRefuse, "", "in " + Quoted(url) + ": " + address.error().what);
  }
  if (address->port == 0) return refuse("has port 0, to which nothing can connect");
  return Endpoint{scheme == "grpcs", *std::move(address)};
}

Result<void> CheckPlaintext(const Endpoint& endpoint, bool insecure) {
  if (endpoint.tls || insecure || endpoint.address.IsLoopback()) return {};
  return Fail(ErrorCode::kRefuse, "",
              Quoted(endpoint.Url()) +
                  " would send data and token unencrypted to another machine; use grpcs://, or "
                  "allow it with --insecure");
}

}  // namespace doagent::cli
