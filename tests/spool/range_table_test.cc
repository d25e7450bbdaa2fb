// Ranges in a file that somebody damaged: an error, never a stopped process.

#include "spool/range_table.h"

#include <random>

#include "spool/inbox.h"
#include "spool/reader.h"
#include "spool/set_aside.h"
#include "tests/spool/verify_support.h"

namespace doagent::spool {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;

class ImpossibleRangeTest : public ::testing::TestWithParam<const char*> {};

TEST_P(ImpossibleRangeTest, IsAnErrorForWhoeverLoadsIt) {
  const std::string range = GetParam();
  for (const std::string table : {"delivered", "removed"}) {
    AgentSpool agent;
    // Something is missing, so that `status` asks what was removed.
    agent.Damage("DELETE FROM records WHERE id = " + Id(45) + "; INSERT INTO " + table +
                 "(origin, " + (table == "removed" ? "kind" : "receiver") +
                 ", first, last) VALUES(1, 0, " + range + ")");
    const auto status = (*Reader::Open(agent.path()))->Status();
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kSalvage);
    EXPECT_THAT(status.error().Message(),
                HasSubstr("spool.db: table " + table + " has an impossible"));
    const auto spool = Spool::Open(test::TestSpoolOptions(agent.path()));
    ASSERT_TRUE(spool) << spool.error().Message();
    EXPECT_EQ(FilesSetAside(agent.path()).size(), 1U);
  }
}

TEST_P(ImpossibleRangeTest, IsAnErrorForAReceiver) {
  const test::TempDir dir;
  const auto random = std::make_shared<std::mt19937_64>(99);
  const InboxOptions options{dir / "inbox.db", "test", [random] { return (*random)(); }};
  ASSERT_TRUE(Inbox::Open(options));
  Sql(options.path, std::string("INSERT INTO stored VALUES(1, ") + GetParam() + ")");
  const auto inbox = Inbox::Open(options);
  ASSERT_TRUE(inbox) << inbox.error().Message();
  EXPECT_THAT((*inbox)->TakeNotices(), Contains(HasSubstr("table stored has an impossible")));
}

INSTANTIATE_TEST_SUITE_P(, ImpossibleRangeTest,
                         ::testing::Values("6, 5", "0, 5", "-3, 5", "1, 1 << 40"));

}  // namespace
}  // namespace doagent::spool
