// Sealed blocks: every snapshot comes out with the bits it went in with, runs are cut where they
// must be, and bytes that are no block are refused.

#include "spool/block_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

#include "doagent/v1/storage.pb.h"
#include "spool/codec.h"
#include "spool/digest.h"
#include "tests/support/object_set.h"
#include "tests/support/snapshots.h"

namespace doagent::spool {
namespace {

using test::MakeSchema;
using test::MakeSnapshot;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::SizeIs;

using Snapshots = std::vector<NumberedSnapshot>;

// Layouts by id, from the snapshots that have them.
class Layouts {
 public:
  explicit Layouts(const Snapshots& run) {
    for (const auto& one : run) known_.push_back(finder_.Find(one.snapshot).layout);
  }

  std::vector<LayoutPtr> Of(const StoredBlock& block) const {
    std::vector<LayoutPtr> layouts;
    for (const ObjectId& id : block.layouts) {
      for (const auto& layout : known_) {
        if (layout->id != id) continue;
        layouts.push_back(layout);
        break;
      }
    }
    return layouts;
  }

 private:
  LayoutFinder finder_;
  std::vector<LayoutPtr> known_;
};

std::vector<StoredBlock> Blocks(const Snapshots& run) {
  LayoutFinder finder;
  std::vector<StoredBlock> blocks;
  for (auto& encoded : EncodeBlocks(run, finder)) blocks.push_back(std::move(encoded.block));
  return blocks;
}

Snapshots MakeRun(std::size_t length) {
  Snapshots run;
  for (std::size_t i = 1; i <= length; ++i) run.push_back({i, 7, MakeSnapshot(i)});
  return run;
}

// The two schemas' series with any values, among them those that codings trip over.
std::uint64_t AnyBits() {
  return *rc::gen::weightedOneOf<std::uint64_t>(
      {{3, rc::gen::inRange<std::uint64_t>(0, 100)},
       {1, rc::gen::arbitrary<std::uint64_t>()},
       {1,
        rc::gen::element(std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 63,
                         (std::uint64_t{1} << 63) - 1,
                         BitsOf(std::numeric_limits<double>::infinity()), BitsOf(-0.0),
                         std::uint64_t{0x7ff8dead'beef0001}, std::uint64_t{0x7ff0000000000001})}});
}

// How a series goes on from tick to tick.
std::uint64_t Next(int habit, std::uint64_t before, std::uint64_t tick) {
  switch (habit) {
    case 0: return before;                    // constant
    case 1: return before + 3;                // linear
    case 2: return before + tick * tick;      // delta of delta
    case 3: return before + (tick % 9 == 0);  // sparse
    case 4: return before - tick % 5;         // small deltas, wrapping below 0
    default: return AnyBits();
  }
}

void FillSection(Section& section, const std::vector<int>& habits, std::uint64_t tick,
                 const Section* before) {
  for (std::size_t i = 0; i < section.values.size(); ++i) {
    const bool constant = section.schema->family_of(i).representation.kind == ValueKind::kConstant;
    const bool known = before != nullptr && i < before->values.size();
    section.present[i] = *rc::gen::weightedElement<std::uint8_t>({{9, 1}, {1, 0}});
    const std::uint64_t value =
        Next(habits[i % habits.size()], known ? before->values[i] : tick, tick);
    section.values[i] = section.present[i] == 0 || constant ? 0 : value;
  }
}

RC_GTEST_PROP(BlockCodecTest, AnySnapshotsComeBack, ()) {
  // The second collector's schema grows, perhaps from nothing, perhaps to more than is encoded
  // together: a longer one begins with the shorter one.
  const auto longest = MakeSchema("b", *rc::gen::weightedElement<int>({{4, 6}, {1, 150}}));
  const std::size_t growths = 3;
  std::vector<SchemaPtr> growing;
  for (std::size_t i = 0; i < growths; ++i) {
    const auto& all = longest->series();
    const std::size_t size = i == 0 ? *rc::gen::inRange<std::size_t>(0, all.size() - growths)
                                    : all.size() - (growths - 1 - i);
    growing.push_back(std::make_shared<const Schema>(
        "b", longest->families(),
        std::vector<Series>(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(size))));
  }
  const auto habits = *rc::gen::container<std::vector<int>>(9, rc::gen::inRange(0, 6));
  Snapshots run;
  Sequence sequence = *rc::gen::inRange<Sequence>(1, 1000);
  std::size_t growth = 0;
  const auto length = *rc::gen::inRange<std::uint64_t>(1, 60);
  for (std::uint64_t tick = 1; tick <= length; ++tick) {
    if (!run.empty() && growth + 1 < growths && *rc::gen::inRange(0, 20) == 0) ++growth;
    NumberedSnapshot next{sequence, 7, MakeSnapshot(tick)};
    next.snapshot.mono += Nanoseconds(*rc::gen::inRange(0, 1000));
    next.snapshot.sections = {test::MakeSection(MakeSchema("a", 3), 0),
                              test::MakeSection(growing[growth], 0)};
    for (std::size_t s = 0; s < 2; ++s) {
      FillSection(next.snapshot.sections[s], habits, tick,
                  run.empty() ? nullptr : &run.back().snapshot.sections[s]);
    }
    run.push_back(std::move(next));
    sequence += *rc::gen::weightedElement<Sequence>({{9, 1}, {1, 2}, {1, 30}});
  }

  const auto blocks = Blocks(run);
  RC_ASSERT(blocks.size() == 1U);
  RC_ASSERT(VerifyChecksum(blocks[0]).has_value());
  RC_ASSERT(blocks[0].layouts.size() == growth + 1);
  const auto decoded = DecodeBlock(blocks[0], Layouts(run).Of(blocks[0]));
  RC_ASSERT(decoded.has_value());
  RC_ASSERT(decoded->size() == run.size());
  RC_ASSERT(decoded->incarnation() == 7U);
  RangeSet sequences;
  for (std::size_t i = 0; i < run.size(); ++i) {
    RC_ASSERT(decoded->sequences()[i] == run[i].sequence);
    RC_ASSERT(SameContent(decoded->At(i), run[i].snapshot));
    sequences.Add({run[i].sequence, run[i].sequence});
  }
  RC_ASSERT(SequencesOf(blocks[0]) == sequences);
}

// What a change between two snapshots means for the block that they would be in.
struct Cut {
  const char* name;
  void (*change)(NumberedSnapshot&);
  bool cuts;
};

class BlockCutTest : public ::testing::TestWithParam<Cut> {};

TEST_P(BlockCutTest, EndsTheBlockOrNot) {
  Snapshots run = MakeRun(4);
  for (std::size_t i = 2; i < run.size(); ++i) GetParam().change(run[i]);
  EXPECT_EQ(BlockLength(run), GetParam().cuts ? 2U : 4U);
  EXPECT_THAT(Blocks(run), SizeIs(GetParam().cuts ? 2 : 1));
}

INSTANTIATE_TEST_SUITE_P(
    All, BlockCutTest,
    ::testing::Values(
        Cut{"Incarnation", [](NumberedSnapshot& s) { s.incarnation = 8; }, true},
        Cut{"Boot",
            [](NumberedSnapshot& s) {
              s.snapshot.boot_id = *BootId::FromBytes("fedcba9876543210");
            },
            true},
        Cut{"ClockForward", [](NumberedSnapshot& s) { s.snapshot.wall += std::chrono::hours(1); },
            true},
        Cut{"ClockBack", [](NumberedSnapshot& s) { s.snapshot.wall -= std::chrono::hours(1); },
            true},
        Cut{"ClockSlewed",
            [](NumberedSnapshot& s) { s.snapshot.wall += std::chrono::milliseconds(5); }, false},
        Cut{"Suspended", [](NumberedSnapshot& s) { s.snapshot.mono -= std::chrono::minutes(1); },
            true},
        Cut{"Gap", [](NumberedSnapshot& s) { s.sequence += 100; }, false},
        Cut{"FarGap", [](NumberedSnapshot& s) { s.sequence += kBlockSpanMax; }, true},
        Cut{"ACollectorLess", [](NumberedSnapshot& s) { s.snapshot.sections.pop_back(); }, true},
        Cut{"AnotherSchema",
            [](NumberedSnapshot& s) {
              s.snapshot.sections[1] = test::MakeSection(MakeSchema("second", 1), 1);
            },
            true}),
    [](const auto& param) { return param.param.name; });

TEST(BlockCodecTest, HoldsSoManySnapshots) {
  EXPECT_THAT(Blocks(MakeRun(kBlockSnapshotsMax + 1)), SizeIs(2));
  Snapshots wide;
  const auto schema = MakeSchema("wide", 50'000);
  for (std::size_t i = 1; i <= 9; ++i) {
    wide.push_back({i, 7, MakeSnapshot(i)});
    wide.back().snapshot.sections = {test::MakeSection(schema, i)};
  }
  EXPECT_EQ(BlockLength(wide), 7U);  // 8 would be more than 400,000 cells
}

TEST(BlockCodecTest, EveryFlippedBitIsNoticed) {
  const StoredBlock block = Blocks(MakeRun(3)).front();
  for (std::size_t bit = 0; bit < block.payload.size() * 8; ++bit) {
    StoredBlock damaged = block;
    damaged.payload[bit / 8] = static_cast<char>(damaged.payload[bit / 8] ^ 1 << (bit % 8));
    EXPECT_FALSE(VerifyChecksum(damaged)) << bit;
  }
  const auto differs = [&block](auto change) {
    StoredBlock changed = block;
    change(changed);
    return !VerifyChecksum(changed);
  };
  EXPECT_TRUE(differs([](StoredBlock& b) { ++b.range.first; }));
  EXPECT_TRUE(differs([](StoredBlock& b) { ++b.range.last; }));
  EXPECT_TRUE(differs([](StoredBlock& b) { ++b.first_time_unix_ns; }));
  EXPECT_TRUE(differs([](StoredBlock& b) { ++b.last_time_unix_ns; }));
  EXPECT_TRUE(differs([](StoredBlock& b) { b.holes = "\x02"; }));
  EXPECT_TRUE(differs([](StoredBlock& b) { b.layouts.push_back(b.layouts[0]); }));
}

// A well-formed message that says something impossible.
struct BadBlock {
  const char* name;
  void (*change)(v1::Block&, StoredBlock&);
  const char* says;
};

class BadBlockTest : public ::testing::TestWithParam<BadBlock> {};

TEST_P(BadBlockTest, IsRefused) {
  const Snapshots run = MakeRun(4);
  StoredBlock block = Blocks(run).front();
  v1::Block message;
  ASSERT_TRUE(message.ParseFromString(*Unpack(block.encoding, block.payload, 1 << 20)));
  GetParam().change(message, block);
  block.encoding = Encoding::kPlain;
  block.payload = message.SerializeAsString();
  const auto decoded = DecodeBlock(block, Layouts(run).Of(block));
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::kPark);
  EXPECT_THAT(decoded.error().Message(), HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(All, BadBlockTest,
                         ::
                             testing::Values(BadBlock{"NoIncarnation",
                                                      [](v1::Block& m, StoredBlock&) {
                                                        m.clear_incarnation();
                                                      },
                                                      "no incarnation"},
                                             BadBlock{"NoBoot",
                                                      [](v1::Block& m, StoredBlock&) {
                                                        m.set_boot_id("x");
                                                      },
                                                      "no boot id"},
                                             BadBlock{"NoSequence",
                                                      [](v1::Block&, StoredBlock& b) {
                                                        b.range.first = 0;
                                                      },
                                                      "impossible range"},
                                             BadBlock{"Backwards",
                                                      [](v1::Block&, StoredBlock& b) {
                                                        b.range.last = 0;
                                                      },
                                                      "impossible range"},
                                             BadBlock{"TooFar",
                                                      [](v1::Block&, StoredBlock& b) {
                                                        b.range.last = kBlockSpanMax + 1;
                                                      },
                                                      "impossible range"},
                                             BadBlock{"HoleAtTheEnd",
                                                      [](v1::Block&, StoredBlock& b) {
                                                        b.holes = "\x08";
                                                      },
                                                      "hole at an end"},
                                             BadBlock{"FewerTimes",
                                                      [](v1::Block&, StoredBlock& b) {
                                                        b.range.last = 5;
                                                      },
                                                      "number of times"},
                                             BadBlock{"Drifts",
                                                      [](v1::Block& m, StoredBlock&) {
                                                        m.add_clock_drifts_ns(1);
                                                      },
                                                      "number of times"},
                                             BadBlock{"AnotherEnd",
                                                      [](v1::Block&, StoredBlock& b) {
                                                        ++b.last_time_unix_ns;
                                                      },
                                                      "another time"},
                                             BadBlock{"NoLayout",
                                                      [](v1::Block&, StoredBlock& b) {
                                                        b.layouts.clear();
                                                      },
                                                      "layouts"},
                                             BadBlock{"LongLayout",
                                                      [](v1::Block& m, StoredBlock&) {
                                                        m.set_layout_snapshots(0, 5);
                                                      },
                                                      "layouts"},
                                             BadBlock{"ShortLayout",
                                                      [](v1::Block& m, StoredBlock&) {
                                                        m.set_layout_snapshots(0, 3);
                                                      },
                                                      "without a layout"},
                                             BadBlock{"FewerColumns",
                                                      [](v1::Block& m, StoredBlock&) {
                                                        m.mutable_codings()->pop_back();
                                                      },
                                                      "number of columns"},
                                             BadBlock{"FewerIntegers",
                                                      [](v1::Block& m, StoredBlock&) {
                                                        m.mutable_integers()->RemoveLast();
                                                      },
                                                      "too few integers"},
                                             BadBlock{"MoreIntegers",
                                                      [](v1::Block& m, StoredBlock&) {
                                                        m.add_integers(1);
                                                      },
                                                      "more values"},
                                             BadBlock{"FewerDoubles",
                                                      [](v1::Block& m, StoredBlock&) {
                                                        m.mutable_doubles()->RemoveLast();
                                                      },
                                                      "too few doubles"},
                                             BadBlock{"MorePositions",
                                                      [](v1::Block& m, StoredBlock&) {
                                                        m.add_positions(1);
                                                      },
                                                      "more values"},
                                             BadBlock{"UnknownCoding",
                                                      [](v1::Block& m, StoredBlock&) {
                                                        (*m.mutable_codings())[0] = 99;
                                                      },
                                                      "integers have not"},
                                             BadBlock{"DeltasOfDoubles",
                                                      [](v1::Block& m, StoredBlock&) {
                                                        (*m.mutable_codings())[6] = 2;
                                                      },
                                                      "doubles have not"},
                                             BadBlock{"AbsentWithoutRuns",
                                                      [](v1::Block& m, StoredBlock&) {
                                                        (*m.mutable_codings())[0] =
                                                            static_cast<char>(m.codings()[0] |
                                                                              0x80);
                                                      },
                                                      "too few runs"},
                                             BadBlock{"RunBeyondTheEnd",
                                                      [](v1::Block& m, StoredBlock&) {
                                                        (*m.mutable_codings())[0] =
                                                            static_cast<char>(m.codings()[0] |
                                                                              0x80);
                                                        m.add_positions(9);
                                                      },
                                                      "impossible run"},
                                             BadBlock{"SparseBeyondTheEnd",
                                                      [](v1::Block& m, StoredBlock&) {
                                                        (*m.mutable_codings())[0] = 4;
                                                        m.set_integers(1, 3);
                                                        m.add_positions(9);
                                                        m.add_positions(9);
                                                        m.add_positions(9);
                                                      },
                                                      "behind its end"}),
                         [](const auto& param) { return param.param.name; });

RC_GTEST_PROP(BlockCodecTest, AnyPayloadIsDecodedOrRefused, (const std::string& bytes)) {
  const Snapshots run = MakeRun(4);
  StoredBlock block = Blocks(run).front();
  const auto layouts = Layouts(run).Of(block);
  block.encoding = *rc::gen::element(Encoding::kPlain, Encoding::kZstd);
  block.payload = bytes;
  const auto decoded = DecodeBlock(block, layouts);
  if (decoded) RC_ASSERT(decoded->size() == 4U);
}

}  // namespace
}  // namespace doagent::spool
