#include "tools/cli/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace doagent::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;

TEST(Endpoint, ReadsSchemeHostAndPort) {
  struct Case {
    const char* url;
    bool tls;
    const char* host;
    std::uint16_t port;
    const char* target;
  };
  const Case cases[] = {
      {"grpcs://metrics.example:4317", true, "metrics.example", 4317, "metrics.example:4317"},
      {"grpc://127.0.0.1:1", false, "127.0.0.1", 1, "127.0.0.1:1"},
      {"grpc://[::1]:65535", false, "::1", 65535, "[::1]:65535"},
      {"grpcs://[fe80::1%eth0]:4317", true, "fe80::1%eth0", 4317, "[fe80::1%eth0]:4317"},
      {"grpcs://my_host-2:4317/", true, "my_host-2", 4317, "my_host-2:4317"},
  };
  for (const Case& one : cases) {
    const auto endpoint = ParseEndpoint(one.url);
    ASSERT_TRUE(endpoint) << one.url << ": " << endpoint.error().Message();
    EXPECT_EQ(endpoint->tls, one.tls);
    EXPECT_EQ(endpoint->address.host, one.host);
    EXPECT_EQ(endpoint->address.port, one.port);
    EXPECT_EQ(endpoint->address.Text(), one.target);
    EXPECT_EQ(ParseEndpoint(endpoint->Url()).value(), *endpoint);
  }
}

TEST(Endpoint, RefusesTheRestAndSaysWhatIsWrong) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "no scheme"},
      {"metrics.example:4317", "no scheme"},
      {"http://metrics.example:80", "unknown scheme"},
      {"GRPCS://metrics.example:4317", "unknown scheme"},
      {"grpcs://metrics.example", "no port"},
      {"grpcs://metrics.example:", "no port from 0 to 65535"},
      {"grpcs://metrics.example:65536", "no port from 0 to 65535"},
      {"grpcs://metrics.example:http", "no port from 0 to 65535"},
      {"grpcs://metrics.example:-1", "no port from 0 to 65535"},
      {"grpcs://metrics.example:0", "port 0"},
      {"grpcs://:4317", "no host name"},
      {"grpcs://-x:4317", "no host name"},
      {"grpcs://a b:4317", "no host name"},
      {"grpcs://::1:4317", "without brackets"},
      {"grpcs://[::1]", "no port"},
      {"grpcs://[::1:4317", "not closed"},
      {"grpcs://[::g]:4317", "no IPv6 address"},
      {"grpcs://[]:4317", "no IPv6 address"},
      {"grpcs://user@host:4317", "more than a host and a port"},
      {"grpcs://host:4317/path", "more than a host and a port"},
      {"grpcs://host:4317?x=1", "more than a host and a port"},
  };
  for (const auto& [url, why] : cases) {
    const auto endpoint = ParseEndpoint(url);
    ASSERT_FALSE(endpoint) << url;
    EXPECT_EQ(endpoint.error().code, ErrorCode::kRefuse);
    EXPECT_THAT(endpoint.error().what,
                AllOf(HasSubstr(why), HasSubstr(url), HasSubstr("write for")))
        << url;
  }
}

TEST(Endpoint, SaysThatOtlpIsNotSpoken) {
  for (const char* url : {"otlp://127.0.0.1:4317", "otlps://metrics.example:4317"}) {
    const auto endpoint = ParseEndpoint(url);
    ASSERT_FALSE(endpoint);
    EXPECT_THAT(endpoint.error().what, HasSubstr("OTLP, which this version does not speak"));
  }
}

TEST(Endpoint, KnowsLoopback) {
  for (const char* host : {"127.0.0.1", "127.255.0.7", "::1", "localhost"}) {
    EXPECT_TRUE((HostPort{host, 1}).IsLoopback()) << host;
  }
  for (const char* host : {"128.0.0.1", "10.0.0.1", "::2", "::", "0.0.0.0", "localhost.example",
                           "127.0.0.1.example", "metrics.example", ""}) {
    EXPECT_FALSE((HostPort{host, 1}).IsLoopback()) << host;
  }
}

TEST(Endpoint, PlaintextLeavesTheMachineOnlyIfAskedFor) {
  const Endpoint remote{false, {"10.0.0.1", 4317}};
  const auto refused = CheckPlaintext(remote, false);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().what, AllOf(HasSubstr("grpc://10.0.0.1:4317"),
                                          HasSubstr("--insecure"), HasSubstr("grpcs://")));
  EXPECT_TRUE(CheckPlaintext(remote, true));
  EXPECT_TRUE(CheckPlaintext({true, {"10.0.0.1", 4317}}, false));
  EXPECT_TRUE(CheckPlaintext({false, {"localhost", 4317}}, false));
}

TEST(HostPort, TakesPortZeroForListeners) {
  EXPECT_EQ(ParseHostPort("0.0.0.0:0").value(), (HostPort{"0.0.0.0", 0}));
  EXPECT_EQ(ParseHostPort("[::]:4317").value(), (HostPort{"::", 4317}));
}

}  // namespace
}  // namespace doagent::cli
