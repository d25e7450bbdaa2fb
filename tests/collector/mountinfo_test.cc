#include "collector/mountinfo.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <string>
#include <vector>

namespace doagent::collector {
namespace {

std::vector<Mount> Parsed(std::string_view text) {
  std::vector<Mount> mounts;
  const auto parsed = ParseMountinfo(text, mounts);
  EXPECT_TRUE(parsed) << (parsed ? "" : parsed.error().Message());
  return mounts;
}

Mount One(std::string_view line) {
  const auto mounts = Parsed(line);
  EXPECT_EQ(mounts.size(), 1);
  return mounts.empty() ? Mount() : mounts[0];
}

TEST(Mountinfo, ExampleOfTheKernelsDocument) {
  const std::string line =
      "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue\n";
  const Mount mount = One(line);
  EXPECT_EQ(mount.mount_point, "/mnt2");
  EXPECT_EQ(mount.fs_type, "ext3");
  EXPECT_EQ(mount.source, "/dev/root");
  EXPECT_FALSE(mount.read_only);
}

TEST(Mountinfo, AnyNumberOfOptionalFields) {
  EXPECT_EQ(One("1 0 0:1 / /a rw - tmpfs none rw").source, "none");
  EXPECT_EQ(One("1 0 0:1 / /a rw shared:1 master:2 propagate_from:3 - tmpfs none rw").fs_type,
            "tmpfs");
}

TEST(Mountinfo, ReadOnlyByTheMountOrByTheFileSystem) {
  EXPECT_FALSE(One("1 0 0:1 / /a rw,relatime - ext4 /dev/x rw,errors=remount-ro").read_only);
  EXPECT_TRUE(One("1 0 0:1 / /a ro,relatime - ext4 /dev/x rw").read_only);
  EXPECT_TRUE(One("1 0 0:1 / /a rw,relatime - ext4 /dev/x seclabel,ro").read_only);
  EXPECT_FALSE(One("1 0 0:1 / /a rw - fuse x rw,rootmode=40000,root=ro2").read_only);
}

TEST(Mountinfo, EscapesOfThePath) {
  const std::string line =
      "1 0 0:1 / /a\\040b\\011c\\012d\\134e\\043f rw - ext4 //host/my\\040share rw";
  const Mount mount = One(line);
  EXPECT_EQ(mount.mount_point, "/a b\tc\nd\\e#f");
  EXPECT_EQ(mount.source, "//host/my\\040share");  // a label, as node_exporter shows it
}

TEST(Mountinfo, WhatIsNoEscapeStays) {
  EXPECT_EQ(UnescapeOctal("\\"), "\\");
  EXPECT_EQ(UnescapeOctal("\\04"), "\\04");
  EXPECT_EQ(UnescapeOctal("\\049"), "\\049");
  EXPECT_EQ(UnescapeOctal("\\400"), "\\400");
  EXPECT_EQ(UnescapeOctal("\\377"), "\xff");
}

TEST(Mountinfo, OptionsOfAnyLength) {
  std::string layers;
  for (int i = 0; i < 4000; ++i) layers += ",lowerdir+=/layers/" + std::to_string(i);
  EXPECT_EQ(One("36 35 0:50 / /merged ro shared:1 - overlay overlay rw" + layers).mount_point,
            "/merged");
}

TEST(Mountinfo, EmptySource) {
  const Mount mount = One("16 15 0:3 / /proc rw - proc  rw");
  EXPECT_EQ(mount.source, "");
  EXPECT_EQ(mount.fs_type, "proc");
}

TEST(Mountinfo, EmptyIsANamespaceWithoutMounts) {
  EXPECT_THAT(Parsed(""), testing::IsEmpty());
}

TEST(Mountinfo, Nonsense) {
  std::vector<Mount> mounts;
  for (const std::string& text : {
           std::string("\n"),
           std::string("x 0 0:1 / /a rw - ext4 /dev/x rw"),
           std::string("1 x 0:1 / /a rw - ext4 /dev/x rw"),
           std::string("1 0 0:1 / /a rw ext4 /dev/x rw"),  // no separator
           std::string("1 0 0:1 / /a rw - ext4 /dev/x"),   // cut off
           std::string("1 0 0:1 / /a rw - ext4"),
           std::string("1 0 0:1 / /a rw -"),
           std::string("1 0 0:1 / /a"),
           std::string("1 0 0:1 /  rw - ext4 /dev/x rw"),  // no path
           std::string("1 0 0:1 / /a\\000b rw - ext4 /dev/x rw"),
       }) {
    EXPECT_FALSE(ParseMountinfo(text, mounts)) << text;
  }
}

RC_GTEST_PROP(MountinfoProperty, AnyPathComesBack, (const std::string& raw)) {
  std::string path = "/";
  std::string escaped = "/";
  for (const char c : raw) {
    if (c == '\0') continue;
    path += c;
    if (c == ' ' || c == '\t' || c == '\n' || c == '\\' || c == '#') {
      const auto byte = static_cast<unsigned char>(c);
      escaped += '\\';
      escaped += static_cast<char>('0' + (byte >> 6));
      escaped += static_cast<char>('0' + (byte >> 3 & 7));
      escaped += static_cast<char>('0' + (byte & 7));
    } else {
      escaped += c;
    }
  }
  std::vector<Mount> mounts;
  const std::string text = "1 2 3:4 / " + escaped + " rw - ext4 /dev/x rw\n";
  RC_ASSERT(ParseMountinfo(text, mounts).has_value());
  RC_ASSERT(mounts.size() == 1U);
  RC_ASSERT(mounts[0].mount_point == path);
}

}  // namespace
}  // namespace doagent::collector
