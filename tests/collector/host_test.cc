#include "collector/host.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/collector/fake_host.h"

namespace doagent::test {
namespace {

using testing::HasSubstr;

class HostTest : public testing::Test {
 protected:
  Result<BootId> ReadBootId() const { return collector::ReadBootId(host_.root() / "proc"); }
  Result<spool::Host> ReadHost() const {
    return collector::ReadHost(host_.root() / "proc", host_.root());
  }

  FakeHost host_;
};

TEST_F(HostTest, BootId) {
  host_.Write("proc/sys/kernel/random/boot_id", "8f2c6a9e-52c0-4f0b-9f3a-1d7b5c2e4a60\n");
  const auto id = ReadBootId();
  ASSERT_TRUE(id);
  EXPECT_EQ(id->Hex(), "8f2c6a9e52c04f0b9f3a1d7b5c2e4a60");
}

TEST_F(HostTest, NoBootIdIsTheZeroId) {
  const auto id = ReadBootId();
  ASSERT_TRUE(id);
  EXPECT_TRUE(id->IsZero());
}

TEST_F(HostTest, NonsenseInsteadOfABootId) {
  for (const std::string text : {"", "8f2c", "8f2c6a9e-52c0-4f0b-9f3a-1d7b5c2e4a6x\n"}) {
    host_.Write("proc/sys/kernel/random/boot_id", text);
    const auto id = ReadBootId();
    ASSERT_FALSE(id) << text;
    EXPECT_THAT(id.error().Message(), HasSubstr("boot_id: not a boot id"));
  }
}

TEST_F(HostTest, HostnameAndMachineId) {
  host_.Write("proc/sys/kernel/hostname", "edge-7\n");
  host_.Write("etc/machine-id", "3D1219c7c4c5404aaa1f6d2a48adfda4\n");
  const auto host = ReadHost();
  ASSERT_TRUE(host);
  EXPECT_EQ(host->hostname, "edge-7");
  EXPECT_EQ(host->machine_id, "3d1219c7c4c5404aaa1f6d2a48adfda4");
}

TEST_F(HostTest, WhatIsNotThereStaysEmpty) {
  EXPECT_EQ(ReadHost().value(), spool::Host());
  host_.Write("etc/machine-id", "uninitialized\n");
  EXPECT_EQ(ReadHost().value(), spool::Host());
  host_.Write("etc/machine-id", "");
  EXPECT_EQ(ReadHost().value(), spool::Host());
}

TEST_F(HostTest, NonsenseInsteadOfAMachineId) {
  host_.Write("etc/machine-id", "not an id\n");
  const auto host = ReadHost();
  ASSERT_FALSE(host);
  EXPECT_THAT(host.error().Message(), HasSubstr("etc/machine-id: not a machine id: \"not\""));
}

TEST_F(HostTest, AHostnameOfAnyBytes) {
  host_.Write("proc/sys/kernel/hostname", "a\xff\n");
  EXPECT_EQ(ReadHost().value().hostname, "a\xef\xbf\xbd");
}

}  // namespace
}  // namespace doagent::test
