// Whatever a file holds, a parser returns: with a result or an error that says why. Texts are made
// by damaging real ones, so that they get past the first check.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "collector/clocksource.h"
#include "collector/diskstats.h"
#include "collector/file_nr.h"
#include "collector/loadavg.h"
#include "collector/meminfo.h"
#include "collector/mountinfo.h"
#include "collector/net_dev.h"
#include "collector/proc_stat.h"
#include "collector/sysfs_number.h"
#include "collector/vmstat.h"
#include "tests/support/paths.h"

namespace doagent::collector {
namespace {

template <typename Out>
auto Filling(Result<void> (*parse)(std::string_view, Out&)) {
  return [parse](std::string_view text) {
    Out out;
    const auto parsed = parse(text, out);
    return parsed ? std::string("parsed") : parsed.error().what;
  };
}

template <typename Out>
auto Returning(Result<Out> (*parse)(std::string_view)) {
  return [parse](std::string_view text) {
    const auto parsed = parse(text);
    return parsed ? std::string("parsed") : parsed.error().what;
  };
}

// File in a fixture host -> its parser, as text in and what came of it out.
const std::map<std::string, std::function<std::string(std::string_view)>>& Parsers() {
  static const std::map<std::string, std::function<std::string(std::string_view)>> parsers{
      {"proc/stat", Filling(ParseProcStat)},
      {"proc/meminfo", Filling(ParseMeminfo)},
      {"proc/loadavg", Returning(ParseLoadavg)},
      {"proc/vmstat", Filling(ParseVmstat)},
      {"proc/diskstats", Filling(ParseDiskstats)},
      {"proc/net/dev", Filling(ParseNetDev)},
      {"proc/1/mountinfo", Filling(ParseMountinfo)},
      {"proc/sys/fs/file-nr", Returning(ParseFileNr)},
      {"sys/devices/system/clocksource/clocksource0/available_clocksource",
       Filling(ParseClocksources)},
      {"sys/class/net/eth0/statistics/rx_nohandler", Returning(ParseSysfsNumber)},
  };
  return parsers;
}

std::string RealText(const std::string& path) {
  const auto host = test::SourceDir() / "tests/fixtures/hosts/vm-6.18";
  std::ifstream file(host / path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// An error stays readable, however long and binary the text.
void ExpectSane(const std::string& outcome) {
  RC_ASSERT(!outcome.empty());
  RC_ASSERT(outcome.size() < 600U);
  RC_ASSERT(outcome.find('\0') == std::string::npos);
}

TEST(AnyBytes, RealTextsParse) {
  for (const auto& [path, parse] : Parsers()) EXPECT_EQ(parse(RealText(path)), "parsed") << path;
}

TEST(AnyBytes, EveryPrefixOfARealText) {
  for (const auto& [path, parse] : Parsers()) {
    const std::string text = RealText(path);
    for (std::size_t size = 0; size <= text.size(); ++size) {
      // A copy of the exact size, so that a sanitizer sees a read beyond its end.
      const std::vector<char> prefix(text.begin(),
                                     text.begin() + static_cast<std::ptrdiff_t>(size));
      EXPECT_FALSE(parse({prefix.data(), prefix.size()}).empty()) << path;
    }
  }
}

RC_GTEST_PROP(AnyBytes, RandomTexts, (const std::vector<char>& bytes)) {
  for (const auto& [path, parse] : Parsers()) ExpectSane(parse({bytes.data(), bytes.size()}));
}

RC_GTEST_PROP(AnyBytes, DamagedTexts, ()) {
  for (const auto& [path, parse] : Parsers()) {
    std::string text = RealText(path);
    const auto changes = *rc::gen::container<std::vector<std::pair<std::uint32_t, char>>>(
        rc::gen::pair(rc::gen::arbitrary<std::uint32_t>(), rc::gen::arbitrary<char>()));
    for (const auto& [place, byte] : changes) text[place % text.size()] = byte;
    ExpectSane(parse(text));
  }
}

}  // namespace
}  // namespace doagent::collector
