#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tools/do-agent-receiver/options.h"

namespace doagent::receiver {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

struct Outcome {
  std::optional<ReceiverOptions> options;
  std::string out;
  std::string error;
};

Outcome Parse(const std::vector<std::string>& arguments) {
  auto parsed = ParseOptions(arguments);
  Outcome outcome;
  if (!parsed) {
    EXPECT_EQ(parsed.error().code, ErrorCode::kRefuse);
    outcome.error = parsed.error().Message();
  } else if (const auto* answer = std::get_if<cli::Answer>(&*parsed)) {
    outcome.out = answer->text;
  } else {
    outcome.options = std::get<ReceiverOptions>(*parsed);
  }
  return outcome;
}

TEST(ReceiverOptions, AreParsed) {
  const auto outcome =
      Parse({"--spool", "s.db", "--listen", "[::]:4317", "--token-file", "tokens", "--tls-cert",
             "c", "--tls-key", "k", "--tls-client-ca", "ca", "--log-level", "debug"});
  ASSERT_TRUE(outcome.options) << outcome.error;
  EXPECT_EQ(outcome.options->spool, "s.db");
  EXPECT_EQ(outcome.options->listen.Text(), "[::]:4317");
  EXPECT_EQ(outcome.options->token_file, "tokens");
  EXPECT_EQ(outcome.options->tls_cert, "c");
  EXPECT_EQ(outcome.options->tls_key, "k");
  EXPECT_EQ(outcome.options->tls_client_ca, "ca");
  EXPECT_EQ(outcome.options->log_level, cli::LogLevel::kDebug);
  EXPECT_FALSE(outcome.options->insecure);
}

TEST(ReceiverOptions, KeepsEverythingUnlessToldOtherwise) {
  auto outcome = Parse({"--spool", "s", "--listen", "127.0.0.1:0"});
  ASSERT_TRUE(outcome.options) << outcome.error;
  EXPECT_FALSE(outcome.options->retention.expires);
  EXPECT_EQ(outcome.options->retention.bytes_max, 0U);
  outcome = Parse(
      {"--spool", "s", "--listen", "127.0.0.1:0", "--retain", "90d", "--spool-bytes-max", "50GiB"});
  ASSERT_TRUE(outcome.options) << outcome.error;
  EXPECT_TRUE(outcome.options->retention.expires);
  EXPECT_EQ(outcome.options->retention.age, std::chrono::hours(24 * 90));
  EXPECT_EQ(outcome.options->retention.bytes_max, 50ULL << 30);
  for (const auto& [option, value] :
       {std::pair("--retain", "1s"), std::pair("--retain", "long"),
        std::pair("--spool-bytes-max", "1MiB"), std::pair("--spool-bytes-max", "big")}) {
    outcome = Parse({"--spool", "s", "--listen", "127.0.0.1:0", option, value});
    EXPECT_FALSE(outcome.options);
    EXPECT_THAT(outcome.error, StartsWith(std::string(option) + ": \"" + value + "\" is "));
  }
}

TEST(ReceiverOptions, PlaintextIsForLoopbackUnlessAsked) {
  EXPECT_TRUE(Parse({"--spool", "s", "--listen", "127.0.0.1:0"}).options);
  EXPECT_TRUE(Parse({"--spool", "s", "--listen", "[::1]:0"}).options);
  EXPECT_TRUE(Parse({"--spool", "s", "--listen", "localhost:0"}).options);
  EXPECT_FALSE(Parse({"--spool", "s", "--listen", "0.0.0.0:0"}).options);
  EXPECT_TRUE(Parse({"--spool", "s", "--listen", "0.0.0.0:0", "--insecure"}).options);
}

struct BadCommandLine {
  const char* name;
  std::vector<std::string> arguments;
  const char* complaint;
};

class ReceiverBadOptions : public testing::TestWithParam<BadCommandLine> {};

TEST_P(ReceiverBadOptions, AreRefusedInOneLine) {
  const auto outcome = Parse(GetParam().arguments);
  EXPECT_FALSE(outcome.options);
  EXPECT_THAT(outcome.error, HasSubstr(GetParam().complaint));
  EXPECT_THAT(outcome.error, Not(HasSubstr("\n")));
}

INSTANTIATE_TEST_SUITE_P(
    All, ReceiverBadOptions,
    testing::Values(
        BadCommandLine{"NoSpool",
                       {"--listen", "127.0.0.1:0"},
                       "--spool FILE is missing; see do-agent-receiver --help"},
        BadCommandLine{"NoListen", {"--spool", "s"}, "--listen ADDRESS:PORT is missing"},
        BadCommandLine{"Unknown",
                       {"--spool", "s", "--listen", "127.0.0.1:0", "--what"},
                       "there is no option --what"},
        BadCommandLine{"Slip",
                       {"--spol", "s", "--listen", "127.0.0.1:0"},
                       "there is no option --spol (did you mean \"--spool\"?)"},
        BadCommandLine{"Word",
                       {"--spool", "s", "--listen", "127.0.0.1:0", "now"},
                       "unexpected argument \"now\""},
        BadCommandLine{"Twice",
                       {"--spool", "s", "--spool", "t", "--listen", "127.0.0.1:0"},
                       "--spool is given more than once"},
        BadCommandLine{"NoValue", {"--spool", "s", "--listen"}, "--listen needs a value"},
        BadCommandLine{"NoPort", {"--spool", "s", "--listen", "127.0.0.1"}, "--listen"},
        BadCommandLine{"Level",
                       {"--spool", "s", "--listen", "127.0.0.1:0", "--log-level", "loud"},
                       "--log-level"},
        BadCommandLine{"Plaintext", {"--spool", "s", "--listen", "0.0.0.0:1"}, "--insecure"},
        BadCommandLine{"CertAlone",
                       {"--spool", "s", "--listen", "127.0.0.1:0", "--tls-cert", "c"},
                       "--tls-cert: needs --tls-key"},
        BadCommandLine{"KeyAlone",
                       {"--spool", "s", "--listen", "127.0.0.1:0", "--tls-key", "k"},
                       "--tls-key: needs --tls-cert"},
        BadCommandLine{"CaAlone",
                       {"--spool", "s", "--listen", "127.0.0.1:0", "--tls-client-ca", "ca"},
                       "--tls-client-ca ca"}),
    [](const auto& test) { return test.param.name; });

TEST(ReceiverOptions, HelpHasExamplesAndVersionIsOneLine) {
  const auto help = Parse({"--help"});
  EXPECT_FALSE(help.options);
  EXPECT_THAT(help.out, HasSubstr("Examples:\n"));
  EXPECT_THAT(help.out, HasSubstr("--spool FILE (required)"));
  const auto version = Parse({"--version"});
  EXPECT_THAT(version.out, testing::MatchesRegex("do-agent-receiver [0-9.]+\n"));
}

}  // namespace
}  // namespace doagent::receiver
