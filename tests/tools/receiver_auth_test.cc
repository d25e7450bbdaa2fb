// Who is let in: token files, bearer tokens, certificates.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tools/do-agent-receiver/auth.h"
#include "tools/do-agent-receiver/tokens.h"

namespace doagent::receiver {
namespace {

using testing::HasSubstr;

// --- The token table -----------------------------------------------------------------------------

TEST(ReceiverTokens, ParsesPrincipalsAndRelays) {
  const auto table = TokenTable::Parse("tokens",
                                       "# comment\n"
                                       "\n"
                                       "web-1 first\r\n"
                                       "  web-1\tsecond  \n"
                                       "   # indented comment\n"
                                       "site third relay");
  ASSERT_TRUE(table) << table.error().Message();
  EXPECT_EQ(table->size(), 3U);
  EXPECT_EQ(table->Find("first")->name, "web-1");
  EXPECT_EQ(table->Find("second")->name, "web-1");
  EXPECT_FALSE(table->Find("second")->relay);
  EXPECT_EQ(table->Find("third")->name, "site");
  EXPECT_TRUE(table->Find("third")->relay);
  EXPECT_FALSE(table->Find("fourth"));
  EXPECT_FALSE(table->Find("firs"));
  EXPECT_FALSE(table->Find(""));
}

struct BadLine {
  const char* name;
  std::string line;
  const char* complaint;
};

class ReceiverBadTokens : public testing::TestWithParam<BadLine> {};

TEST_P(ReceiverBadTokens, AreRefusedWithTheirLine) {
  const auto table = TokenTable::Parse("FILE", "good token\n" + GetParam().line + "\n");
  ASSERT_FALSE(table);
  EXPECT_EQ(table.error().code, ErrorCode::kRefuse);
  EXPECT_THAT(table.error().Message(), HasSubstr("FILE line 2"));
  EXPECT_THAT(table.error().Message(), HasSubstr(GetParam().complaint));
  EXPECT_THAT(table.error().Message(), testing::Not(HasSubstr("s3cret")));
}

INSTANTIATE_TEST_SUITE_P(
    All, ReceiverBadTokens,
    testing::Values(BadLine{"OneWord", "s3cret", "principal token"},
                    BadLine{"FourWords", "a s3cret relay b", "principal token"},
                    BadLine{"NotRelay", "a s3cret Relay", "principal token"},
                    BadLine{"Twice", "other token", "line 1"},
                    BadLine{"LongPrincipal", std::string(256, 'p') + " s3cret", "principal"},
                    BadLine{"BinaryPrincipal", "p\xFF s3cret", "principal"},
                    BadLine{"LongToken", "a s3cret" + std::string(5000, 't'), "token"},
                    BadLine{"BinaryToken", "a s3cret\x01", "token"}),
    [](const auto& test) { return test.param.name; });

class ReceiverTokenFile : public testing::Test {
 protected:
  void Write(const std::string& content) {
    // Under a new name first, as careful people do; the other inode shows even within the clock's
    // resolution.
    const auto next = folder_ / "next";
    std::ofstream(next, std::ios::binary) << content;
    std::filesystem::rename(next, path_);
  }

  test::TempDir folder_;
  std::filesystem::path path_ = folder_ / "tokens";
  std::vector<std::string> reports_;
  TokenFile::Report report_ = [this](const Result<std::size_t>& tokens) {
    reports_.push_back(tokens ? std::to_string(*tokens) : tokens.error().Message());
  };
};

TEST_F(ReceiverTokenFile, IsReadAgainWhenItChanges) {
  Write("web-1 one\n");
  const auto file = TokenFile::Open(path_, report_);
  ASSERT_TRUE(file) << file.error().Message();
  EXPECT_TRUE((*file)->Find("one"));
  Write("web-1 two\nweb-2 three\n");
  EXPECT_FALSE((*file)->Find("one"));
  EXPECT_TRUE((*file)->Find("two"));
  EXPECT_THAT(reports_, testing::ElementsAre("2"));
}

TEST_F(ReceiverTokenFile, KeepsTheLastGoodTable) {
  Write("web-1 one\n");
  const auto file = TokenFile::Open(path_, report_);
  ASSERT_TRUE(file);
  Write("web-1\n");
  EXPECT_TRUE((*file)->Find("one"));
  EXPECT_TRUE((*file)->Find("one"));
  std::filesystem::remove(path_);
  EXPECT_TRUE((*file)->Find("one"));
  EXPECT_THAT(reports_, testing::ElementsAre(HasSubstr("line 1"), HasSubstr("No such file")))
      << "each state of the file is told once";
  Write("web-1 two\n");
  EXPECT_FALSE((*file)->Find("one"));
}

TEST_F(ReceiverTokenFile, MustBeGoodAtTheStart) {
  EXPECT_FALSE(TokenFile::Open(path_, report_));
  Write("# nobody\n");
  const auto empty = TokenFile::Open(path_, report_);
  ASSERT_FALSE(empty);
  EXPECT_THAT(empty.error().Message(), HasSubstr("has no token"));
}

// --- The decision --------------------------------------------------------------------------------

AuthPolicy Tokens() {
  AuthPolicy policy;
  policy.find_token = [](std::string_view token) -> std::optional<spool::Principal> {
    if (token == "right") return spool::Principal{"web-1", false};
    return std::nullopt;
  };
  return policy;
}

AuthPolicy Certificates() {
  AuthPolicy policy;
  policy.certificates = true;
  return policy;
}

AuthPolicy Both() {
  AuthPolicy policy = Tokens();
  policy.certificates = true;
  return policy;
}

Credentials Token(const std::string& value) {
  Credentials credentials;
  credentials.authorization.push_back(value);
  return credentials;
}

Credentials Certificate(const std::string& name) {
  Credentials credentials;
  credentials.certificate_name = name;
  return credentials;
}

// The principal's name, or the refusal.
std::string Decide(const AuthPolicy& policy, const Credentials& credentials) {
  const auto principal = Authenticate(policy, credentials);
  return principal ? principal->name : "refused: " + principal.error().what;
}

TEST(ReceiverAuth, EverybodyIsAnonymousWithoutAPolicy) {
  EXPECT_EQ(Decide({}, {}), "anonymous");
  EXPECT_EQ(Decide({}, Token("Bearer whatever")), "anonymous");
  EXPECT_FALSE(Authenticate({}, {})->relay);
}

TEST(ReceiverAuth, TokensNamePrincipals) {
  EXPECT_EQ(Decide(Tokens(), Token("Bearer right")), "web-1");
  EXPECT_EQ(Decide(Tokens(), Token("bearer right")), "web-1");
  for (const char* wrong : {"Bearer wrong", "Bearer ", "Bearer right ", "Basic right", "right", "",
                            "Bearer r\xC3\xA9"}) {
    EXPECT_THAT(Decide(Tokens(), Token(wrong)), HasSubstr("refused: ")) << wrong;
  }
  Credentials two = Token("Bearer right");
  two.authorization.push_back("Bearer right");
  EXPECT_THAT(Decide(Tokens(), two), HasSubstr("refused: "));
  EXPECT_THAT(Decide(Tokens(), {}), HasSubstr("a token is needed"));
  EXPECT_THAT(Decide(Tokens(), Certificate("web-9")), HasSubstr("a token is needed"));
}

TEST(ReceiverAuth, CertificatesNamePrincipals) {
  EXPECT_EQ(Decide(Certificates(), Certificate("web-2")), "web-2");
  EXPECT_THAT(Decide(Certificates(), Certificate("")), HasSubstr("common name"));
  EXPECT_THAT(Decide(Certificates(), Certificate(std::string(256, 'x'))), HasSubstr("common name"));
  EXPECT_THAT(Decide(Certificates(), {}), HasSubstr("certificate is needed"));
  EXPECT_THAT(Decide(Certificates(), Token("Bearer right")), HasSubstr("certificate is needed"));
}

TEST(ReceiverAuth, EitherWillDoAndATokenDecides) {
  EXPECT_EQ(Decide(Both(), Token("Bearer right")), "web-1");
  EXPECT_EQ(Decide(Both(), Certificate("web-2")), "web-2");
  Credentials both = Certificate("web-2");
  both.authorization = {"Bearer right"};
  EXPECT_EQ(Decide(Both(), both), "web-1");
  both.authorization = {"Bearer wrong"};
  EXPECT_THAT(Decide(Both(), both), HasSubstr("not known")) << "a bad token is not made good";
}

}  // namespace
}  // namespace doagent::receiver
