// A tick in the steady state allocates nothing.

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>

#include "tests/collector/counted_allocation.h"
#include "tests/collector/fake_host.h"
#include "tests/support/paths.h"

namespace doagent::test {
namespace {

TEST(Allocation, NoneInTheSteadyState) {
  const auto host = test::SourceDir() / "tests/fixtures/hosts/vm-6.18";
  auto options = FakeOptions();
  options.procfs = host / "proc";
  options.sysfs = host / "sys";
  const auto collector = FakeHost::StartWith(std::move(options));
  spool::Snapshot snapshot;
  for (int tick = 0; tick < 3; ++tick) {
    collector->Collect(FakeWall(tick), FakeMono(tick), BootId(), snapshot);
  }
  const std::uint64_t before = AllocationCount();
  ASSERT_GT(before, 0);
  for (int tick = 3; tick < 10; ++tick) {
    collector->Collect(FakeWall(tick), FakeMono(tick), BootId(), snapshot);
  }
  EXPECT_EQ(AllocationCount(), before);
}

}  // namespace
}  // namespace doagent::test
