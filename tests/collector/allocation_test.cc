// A tick in the steady state allocates nothing: counted by replacing the global operator new of
// this test program. Other threads have counts of their own.

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <new>

#include "tests/collector/fake_host.h"

namespace {
thread_local std::uint64_t allocations = 0;
}  // namespace

void* operator new(std::size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
// Sanitizers have one of their own, which would not go together with the operators below.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size == 0 ? 1 : size);
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace doagent::test {
namespace {

TEST(Allocation, NoneInTheSteadyState) {
  const auto host = std::filesystem::path(DOAGENT_SOURCE_DIR) / "tests/fixtures/hosts/vm-6.18";
  auto options = FakeOptions();
  options.procfs = host / "proc";
  options.sysfs = host / "sys";
  const auto collector = FakeHost::StartWith(std::move(options));
  spool::Snapshot snapshot;
  for (int tick = 0; tick < 3; ++tick) {
    collector->Collect(FakeWall(tick), FakeMono(tick), BootId(), snapshot);
  }
  const std::uint64_t before = allocations;
  ASSERT_GT(before, 0);
  for (int tick = 3; tick < 10; ++tick) {
    collector->Collect(FakeWall(tick), FakeMono(tick), BootId(), snapshot);
  }
  EXPECT_EQ(allocations, before);
}

}  // namespace
}  // namespace doagent::test
