// Whole hosts: each folder of tests/fixtures/hosts has the files of a machine, and expected.txt
// what a snapshot of it says. DOAGENT_UPDATE_GOLDEN=1 writes these files anew.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/collector/fake_host.h"
#include "tests/support/paths.h"

namespace doagent::test {
namespace {

const std::filesystem::path kHosts = test::SourceDir() / "tests/fixtures/hosts";

std::vector<std::string> Hosts() {
  std::vector<std::string> hosts;
  for (const auto& entry : std::filesystem::directory_iterator(kHosts)) {
    hosts.push_back(entry.path().filename());
  }
  return hosts;
}

Samples ReadExpected(const std::filesystem::path& path) {
  Samples samples;
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line)) {
    const auto space = line.rfind(' ');
    samples.emplace(line.substr(0, space), line.substr(space + 1));
  }
  return samples;
}

void WriteExpected(const std::filesystem::path& path, const Samples& samples) {
  std::ofstream file(path, std::ios::trunc);
  for (const auto& [series, value] : samples) file << series << ' ' << value << '\n';
}

// Lines with "-" for what was expected, with "+" for what came instead.
std::string Diff(const Samples& expected, const Samples& actual) {
  std::string diff;
  for (const auto& sample : expected) {
    const auto it = actual.find(sample.first);
    if (it == actual.end() || it->second != sample.second)
      diff += "- " + sample.first + " " + sample.second + "\n";
  }
  for (const auto& sample : actual) {
    const auto it = expected.find(sample.first);
    if (it == expected.end() || it->second != sample.second)
      diff += "+ " + sample.first + " " + sample.second + "\n";
  }
  return diff;
}

class Golden : public testing::TestWithParam<std::string> {};

TEST_P(Golden, SnapshotSaysWhatIsExpected) {
  const auto host = kHosts / GetParam();
  auto options = FakeOptions();
  options.procfs = host / "proc";
  options.sysfs = host / "sys";
  Ticker ticker(FakeHost::StartWith(std::move(options)));
  const Samples actual = ticker.Tick();
  EXPECT_THAT(ticker.collector().TakeStateChanges(), testing::IsEmpty());

  if (std::getenv("DOAGENT_UPDATE_GOLDEN") != nullptr) WriteExpected(host / "expected.txt", actual);
  const Samples expected = ReadExpected(host / "expected.txt");
  ASSERT_THAT(expected, testing::Not(testing::IsEmpty()));
  const std::string diff = Diff(expected, actual);
  EXPECT_TRUE(diff.empty()) << diff << "\nDOAGENT_UPDATE_GOLDEN=1 takes the new text over";

  // Nothing changed on the host, so nothing may change in the schemas.
  std::vector<spool::SchemaPtr> schemas;
  for (const auto& section : ticker.snapshot().sections) schemas.push_back(section.schema);
  ticker.Tick();
  ASSERT_EQ(ticker.snapshot().sections.size(), schemas.size());
  for (std::size_t i = 0; i < schemas.size(); ++i) {
    EXPECT_EQ(ticker.snapshot().sections[i].schema, schemas[i]) << schemas[i]->collector();
  }
}

// A test's name may have letters, digits and underscores only.
std::string TestName(const testing::TestParamInfo<std::string>& host) {
  std::string name = host.param;
  for (char& c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  }
  return name;
}

INSTANTIATE_TEST_SUITE_P(Hosts, Golden, testing::ValuesIn(Hosts()), TestName);

}  // namespace
}  // namespace doagent::test
