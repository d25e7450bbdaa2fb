// What the file system says of a spool's file.

#include "spool/file_system.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <fstream>

#include "spool/descriptor.h"
#include "tests/support/temp_dir.h"

namespace doagent::spool {
namespace {

TEST(FileSystemTest, WhatIsKeptBeyondTheEndOfAFileIsKnown) {
  const test::TempDir dir(test::TempDir::Where::kMemory);
  const auto path = dir / "file";
  EXPECT_EQ(BytesKeptFor(path), 0U) << "there is none";
  std::ofstream(path) << std::string(5000, 'x');
  EXPECT_LT(BytesKeptFor(path), 8192U) << "the rest of its last block";
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (fallocate(file.number(), FALLOC_FL_KEEP_SIZE, 0, 100'000) != 0) {
    GTEST_SKIP() << "the file system keeps no blocks";
  }
  EXPECT_GE(BytesKeptFor(path), 95'000U);
  EXPECT_LT(BytesKeptFor(path), 95'000U + 8192);
  EXPECT_EQ(std::filesystem::file_size(path), 5000U);
}

TEST(FileSystemTest, AFileWithoutAFolderLiesInTheCurrentOne) {
  EXPECT_EQ(FolderOf("spool.db"), ".");
  EXPECT_EQ(FolderOf("/var/spool.db"), "/var");
}

TEST(FileSystemTest, WhereNothingIsThereIsNoDisk) {
  EXPECT_FALSE(DiskSpaceAt("/nowhere/at/all"));
  const auto disk = DiskSpaceAt("/");
  ASSERT_TRUE(disk);
  EXPECT_LE(disk->free_bytes, disk->total_bytes);
}

}  // namespace
}  // namespace doagent::spool
