#include "collector/section_builder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace doagent::collector {
namespace {

using testing::ElementsAre;

constexpr FamilySpec kPackets{.name = "packets_total",
                              .help = "Packets.",
                              .type = spool::MetricType::kCounter,
                              .representation = kPlain,
                              .labels = {"device"}};
constexpr FamilySpec kErrors{.name = "errors_total",
                             .help = "Errors.",
                             .type = spool::MetricType::kCounter,
                             .representation = kPlain,
                             .labels = {"device"}};

class SectionBuilderTest : public testing::Test {
 protected:
  // A tick with one sample of `packets` for each device, its value the device's place.
  void Tick(const std::vector<std::string>& devices) {
    builder_.Begin(section_);
    std::uint64_t place = 0;
    for (const auto& device : devices) builder_.Add(packets_, {device}, ++place);
    builder_.Finish();
  }

  // The devices of the schema in its order, those that are absent in brackets.
  std::vector<std::string> Devices() const {
    std::vector<std::string> devices;
    for (std::size_t i = 0; i < section_.schema->size(); ++i) {
      const std::string& device = section_.schema->series()[i].labels[0].value;
      devices.push_back(section_.present[i] != 0 ? device : "(" + device + ")");
    }
    return devices;
  }

  SectionBuilder builder_{"net"};
  SectionBuilder::FamilyId packets_ = builder_.Declare(kPackets);
  SectionBuilder::FamilyId errors_ = builder_.Declare(kErrors);
  spool::Section section_;
};

TEST_F(SectionBuilderTest, SaysWhatTheFamilySays) {
  Tick({"eth0"});
  ASSERT_EQ(section_.schema->collector(), "net");
  ASSERT_EQ(section_.schema->families().size(), 1);  // no series yet: not in the schema
  const spool::Family& family = section_.schema->family_of(0);
  EXPECT_EQ(family.name, "packets_total");
  EXPECT_EQ(family.help, "Packets.");
  EXPECT_EQ(family.type, spool::MetricType::kCounter);
  EXPECT_EQ(family.representation, kPlain);
  EXPECT_THAT(section_.schema->series()[0].labels, ElementsAre(spool::Label{"device", "eth0"}));
}

TEST_F(SectionBuilderTest, TheSameSeriesKeepTheSchemaInAnyOrder) {
  Tick({"a", "b", "c"});
  const auto schema = section_.schema;
  Tick({"a", "b", "c"});
  EXPECT_EQ(section_.schema, schema);
  Tick({"c", "a", "b"});
  EXPECT_EQ(section_.schema, schema);
  EXPECT_THAT(section_.values, ElementsAre(2, 3, 1));
  Tick({"c", "a", "b"});
  EXPECT_THAT(section_.values, ElementsAre(2, 3, 1));
}

TEST_F(SectionBuilderTest, ASeriesThatGoesIsAbsent) {
  Tick({"a", "b", "c"});
  const auto schema = section_.schema;
  Tick({"a", "c"});
  EXPECT_EQ(section_.schema, schema);
  EXPECT_THAT(Devices(), ElementsAre("a", "(b)", "c"));
  EXPECT_THAT(section_.values, ElementsAre(1, 0, 2));  // absent: 0
  Tick({"a", "b", "c"});
  EXPECT_EQ(section_.schema, schema);
  EXPECT_THAT(Devices(), ElementsAre("a", "b", "c"));
}

TEST_F(SectionBuilderTest, ASeriesThatComesIsAppended) {
  Tick({"b", "c"});
  const auto before = section_.schema;
  Tick({"a", "b", "c"});
  EXPECT_NE(section_.schema, before);
  EXPECT_THAT(Devices(), ElementsAre("b", "c", "a"));
  EXPECT_THAT(section_.values, ElementsAre(2, 3, 1));
  EXPECT_EQ(before->size(), 2);  // it is immutable
}

TEST_F(SectionBuilderTest, ANewFamilyComesBehindTheOthers) {
  Tick({"a"});
  builder_.Begin(section_);
  builder_.Add(errors_, {"a"}, 7);
  builder_.Add(packets_, {"a"}, 8);
  builder_.Finish();
  EXPECT_EQ(section_.schema->families()[0].name, "packets_total");
  EXPECT_EQ(section_.schema->families()[1].name, "errors_total");
  EXPECT_THAT(section_.values, ElementsAre(8, 7));
}

TEST_F(SectionBuilderTest, OfTwoSamplesTheLaterCounts) {
  Tick({"a", "b", "a"});
  EXPECT_THAT(Devices(), ElementsAre("a", "b"));
  EXPECT_THAT(section_.values, ElementsAre(3, 2));
}

TEST_F(SectionBuilderTest, DiscardedSamplesAreAbsent) {
  Tick({"a", "b"});
  builder_.Begin(section_);
  builder_.Add(packets_, {"b"}, 5);
  builder_.Discard();
  EXPECT_TRUE(builder_.Finish());
  EXPECT_THAT(Devices(), ElementsAre("(a)", "(b)"));
  EXPECT_THAT(section_.values, ElementsAre(0, 0));
  Tick({"a", "b"});
  EXPECT_THAT(section_.values, ElementsAre(1, 2));
}

TEST_F(SectionBuilderTest, NoSectionWithoutAnySeries) {
  builder_.Begin(section_);
  EXPECT_FALSE(builder_.Finish());
}

TEST_F(SectionBuilderTest, AnotherSectionMayBeFilled) {
  Tick({"a", "b"});
  spool::Section other;
  other.values = {9, 9, 9, 9, 9};
  other.present = {1};
  builder_.Begin(other);
  builder_.Add(packets_, {"b"}, 4);
  builder_.Finish();
  EXPECT_EQ(other.schema, section_.schema);
  EXPECT_THAT(other.values, ElementsAre(0, 4));
  EXPECT_THAT(other.present, ElementsAre(0, 1));
}

std::vector<std::string> Numbered(const std::string& name, int count) {
  std::vector<std::string> devices;
  devices.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) devices.push_back(name + std::to_string(i));
  return devices;
}

TEST_F(SectionBuilderTest, ManyThatAreGoneForSixtyTicksAreForgotten) {
  auto devices = Numbered("veth", 65);
  devices.insert(devices.begin(), "eth0");
  devices.push_back("eth1");
  Tick(devices);
  const auto full = section_.schema;
  for (int i = 0; i < 59; ++i) Tick({"eth0", "eth1"});
  EXPECT_EQ(section_.schema, full);
  Tick({"eth0", "eth1"});
  EXPECT_THAT(Devices(), ElementsAre("eth0", "eth1"));
  EXPECT_THAT(section_.values, ElementsAre(1, 2));
  Tick({"eth0", "eth1"});
  EXPECT_THAT(section_.values, ElementsAre(1, 2));
  // What comes back is a new series, and lookups go on working.
  Tick({"veth3", "eth1", "eth0"});
  EXPECT_THAT(Devices(), ElementsAre("eth0", "eth1", "veth3"));
  EXPECT_THAT(section_.values, ElementsAre(3, 2, 1));
}

TEST_F(SectionBuilderTest, OneThatCameBackInTimeIsKept) {
  Tick(Numbered("veth", 70));
  for (int i = 0; i < 58; ++i) Tick({});
  Tick({"veth7"});
  Tick({});
  EXPECT_THAT(Devices(), ElementsAre("(veth7)"));
}

TEST_F(SectionBuilderTest, AFewThatAreGoneStay) {
  Tick(Numbered("veth", 64));
  const auto schema = section_.schema;
  for (int i = 0; i < 200; ++i) Tick({});
  EXPECT_EQ(section_.schema, schema);
}

TEST_F(SectionBuilderTest, AMinorityThatIsGoneStays) {
  auto devices = Numbered("veth", 200);
  Tick(devices);
  const auto schema = section_.schema;
  devices.resize(100);
  for (int i = 0; i < 200; ++i) Tick(devices);
  EXPECT_EQ(section_.schema, schema);
  devices.resize(99);
  for (int i = 0; i < 60; ++i) Tick(devices);
  EXPECT_EQ(section_.schema->size(), 99);
}

TEST_F(SectionBuilderTest, MoreThanTheLimitAreRefused) {
  builder_.Begin(section_);
  for (std::size_t i = 0; i < spool::kSeriesMax; ++i) {
    builder_.Add(packets_, {std::to_string(i)}, i);
  }
  EXPECT_FALSE(builder_.overflowed());
  builder_.Add(packets_, {"one more"}, 1);
  EXPECT_TRUE(builder_.overflowed());
  builder_.Finish();
  EXPECT_EQ(section_.schema->size(), spool::kSeriesMax);
}

TEST_F(SectionBuilderTest, WrongNumberOfLabelsIsADefect) {
  builder_.Begin(section_);
  EXPECT_DEATH(builder_.Add(packets_, {"a", "b"}, 1), "broken invariant");
}

// Against a plain map: whatever comes and goes in whatever order, each section says what was added.
RC_GTEST_PROP(SectionBuilderProperty, SaysWhatWasAdded, ()) {
  SectionBuilder builder("net");
  const auto packets = builder.Declare(kPackets);
  const auto errors = builder.Declare(kErrors);
  spool::Section section;
  spool::SchemaPtr before;
  const auto ticks = *rc::gen::inRange(1, 150);
  for (int tick = 0; tick < ticks; ++tick) {
    std::map<std::pair<std::string, std::string>, std::uint64_t> expected;
    builder.Begin(section);
    const int devices = tick % 7 == 0 ? 150 : 3;
    for (const auto add : *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 2 * devices))) {
      const std::string device = std::to_string(add / 2);
      const auto value = static_cast<std::uint64_t>(add) + static_cast<std::uint64_t>(tick);
      builder.Add(add % 2 == 0 ? packets : errors, {device}, value);
      expected[{add % 2 == 0 ? "packets_total" : "errors_total", device}] = value;
    }
    if (!builder.Finish()) {
      RC_ASSERT(expected.empty());
      continue;
    }
    const spool::Schema& schema = *section.schema;
    RC_ASSERT(section.values.size() == schema.size());
    RC_ASSERT(section.present.size() == schema.size());
    for (std::size_t i = 0; i < schema.size(); ++i) {
      const auto it = expected.find({schema.family_of(i).name, schema.series()[i].labels[0].value});
      RC_ASSERT((section.present[i] != 0) == (it != expected.end()));
      RC_ASSERT(section.values[i] == (it == expected.end() ? 0U : it->second));
      if (it != expected.end()) expected.erase(it);
    }
    RC_ASSERT(expected.empty());
    // A longer schema starts with the shorter one.
    if (before != nullptr && before->size() <= schema.size()) {
      for (std::size_t i = 0; i < before->size(); ++i) {
        RC_ASSERT(before->series()[i] == schema.series()[i]);
        RC_ASSERT(before->family_of(i) == schema.family_of(i));
      }
    }
    before = section.schema;
  }
}

}  // namespace
}  // namespace doagent::collector
