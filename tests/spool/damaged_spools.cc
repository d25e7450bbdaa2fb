#include "tests/spool/damaged_spools.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <optional>

#include "spool/object_codec.h"
#include "spool/record_codec.h"
#include "spool/spool.h"
#include "spool/wreck_records.h"
#include "tests/support/snapshots.h"
#include "tests/support/temp_dir.h"

namespace doagent::test {
namespace {

namespace fs = std::filesystem;
using spool::PageFile;

std::string Content(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void Append(spool::Spool& spool, std::uint64_t from, std::uint64_t to) {
  for (std::uint64_t tick = from; tick <= to; ++tick) {
    ASSERT_TRUE(spool.Append(MakeSnapshot(tick)));
    if (tick % 17 == 0) {
      const spool::Snapshot now = MakeSnapshot(tick);
      ASSERT_TRUE(spool.Append(spool::Event{
          spool::EventKind::kGap, now.wall, now.mono, now.boot_id, "late", SpoolId(), {}, 1}));
    }
    while (*spool.Maintain(MakeSnapshot(tick).wall, MakeSnapshot(tick).mono)) {
    }
  }
}

bool Intersects(const ByteRange& a, const ByteRange& b) {
  return a.begin < b.end && b.begin < a.end;
}

bool IsUntouched(const std::vector<ByteRange>& copy, const std::vector<ByteRange>& touched) {
  return std::none_of(copy.begin(), copy.end(), [&touched](const ByteRange& page) {
    return std::any_of(touched.begin(), touched.end(),
                       [&page](const ByteRange& range) { return Intersects(page, range); });
  });
}

}  // namespace

SampleSpool::SampleSpool() {
  const TempDir dir(TempDir::Where::kMemory);
  const fs::path path = dir / "spool.db";
  spool::SpoolOptions options = TestSpoolOptions(path);
  options.seal.snapshots = 25;
  options.key_interval = 10;
  auto opened = spool::Spool::Open(options);
  EXPECT_TRUE(opened);
  // Half of it in the database, half in the log: closing empties the log.
  Append(**opened, 1, 120);
  opened->reset();
  opened = spool::Spool::Open(options);
  EXPECT_TRUE(opened);
  Append(**opened, 121, 190);
  spool_id_ = (*opened)->spool_id();
  database_ = Content(path);
  log_ = Content(path.string() + "-wal");
  // What was reserved for the log and never used.
  const std::size_t used = log_.find_last_not_of('\0') + 1;
  constexpr std::size_t kHeader = 32, kFrame = 24 + spool::kPageBytes;
  log_.resize(kHeader + (used - kHeader + kFrame - 1) / kFrame * kFrame);
  opened->reset();
  Write(dir / "copy", database_, log_);
  records_ = ReadEverything(dir.path() / "copy" / "spool.db");
  Write(dir / "copy", database_, log_);
  Locate(dir.path() / "copy" / "spool.db");
}

void SampleSpool::Write(const fs::path& folder, const std::string& database,
                        const std::string& log) {
  fs::create_directories(folder);
  std::ofstream(folder / "spool.db", std::ios::binary) << database;
  if (!log.empty()) std::ofstream(folder / "spool.db-wal", std::ios::binary) << log;
}

void SampleSpool::Locate(const fs::path& path) {
  auto database = spool::Descriptor::OpenForReading(path);
  auto log = spool::Descriptor::OpenForReading(path.string() + "-wal");
  auto opened = PageFile::Open(**std::move(database), **std::move(log));
  ASSERT_TRUE(opened);
  const PageFile& pages = *opened;
  const std::size_t log_begin = database_.size();
  const auto page_at = [](spool::PageNumber number) {
    return ByteRange{(number - 1) * spool::kPageBytes, number * spool::kPageBytes};
  };
  const auto frame_at = [log_begin](std::size_t frame) {
    constexpr std::size_t kFrame = 24 + spool::kPageBytes;
    return ByteRange{log_begin + 32 + frame * kFrame, log_begin + 32 + (frame + 1) * kFrame};
  };
  std::map<spool::PageNumber, ByteRange> newest;
  spool::Page page;
  for (std::size_t frame = 0; frame < pages.frames(); ++frame) {
    if (const auto number = pages.ReadFrame(frame, page)) newest[*number] = frame_at(frame);
  }
  for (std::size_t image = 0; image < pages.pages() + pages.frames(); ++image) {
    const bool in_log = image >= pages.pages();
    auto number = static_cast<spool::PageNumber>(image + 1);
    if (in_log) {
      const auto framed = pages.ReadFrame(image - pages.pages(), page);
      if (!framed) continue;
      number = *framed;
    } else {
      pages.ReadPage(number, page);
    }
    Copy copy;
    const spool::PageGetter get = [&](spool::PageNumber wanted, spool::Page& found) {
      copy.push_back(newest.count(wanted) != 0 ? newest[wanted] : page_at(wanted));
      return pages.ReadNewest(wanted, found);
    };
    const ByteRange own = in_log ? frame_at(image - pages.pages()) : page_at(number);
    const auto visited =
        spool::VisitRows(number, page, get, [&](const spool::RawRow& row) -> Result<void> {
          Copy whole = std::exchange(copy, {});
          whole.push_back(own);
          if (const auto object = spool::IntactObject(row)) {
            Place& place = objects_[object->id];
            place.copies.push_back(whole);
            const auto content = spool::OpenObject(*object);
            place.needs = *spool::Dependencies(object->kind, *content);
          } else if (const auto block = spool::IntactBlock(row)) {
            for (const auto& range : spool::SequencesOf(*block).ToVector()) {
              for (Sequence s = range.first; s <= range.last; ++s) {
                places_[s].copies.push_back(whole);
                places_[s].needs = block->layouts;
              }
            }
          } else if (const auto record = spool::RecordOf(row)) {
            places_[record->sequence].copies.push_back(whole);
          }
          return {};
        });
    ASSERT_TRUE(visited);
  }
}

std::vector<RecordName> SampleSpool::Untouched(const std::vector<ByteRange>& touched) const {
  // Any key may be what a row needs: all of them have to be there.
  const auto untouched = [&touched](const Place& place) {
    return std::any_of(place.copies.begin(), place.copies.end(),
                       [&touched](const Copy& copy) { return IsUntouched(copy, touched); });
  };
  const bool objects_untouched =
      std::all_of(objects_.begin(), objects_.end(),
                  [&untouched](const auto& object) { return untouched(object.second); });
  std::vector<RecordName> names;
  for (const auto& [sequence, place] : places_) {
    const RecordName name{spool_id_, sequence};
    if (records_.count(name) == 0) continue;
    const bool event = std::holds_alternative<spool::Event>(records_.at(name).content);
    if ((event || objects_untouched) && untouched(place)) names.push_back(name);
  }
  return names;
}

std::map<RecordName, spool::Record> ReadEverything(const fs::path& path) {
  std::map<RecordName, spool::Record> records;
  auto reader = spool::Reader::Open(path);
  EXPECT_TRUE(reader) << reader.error().Message();
  if (!reader) return records;
  const auto visited = (*reader)->Visit(
      {},
      [&records](const spool::Record& record) {
        records[{record.spool_id, record.sequence}] = record;
        return true;
      },
      [](const Error& damaged) { ADD_FAILURE() << damaged.Message(); });
  EXPECT_TRUE(visited) << visited.error().Message();
  return records;
}

bool SameContent(const spool::Record& a, const spool::Record& b) {
  if (a.time != b.time || a.content.index() != b.content.index()) return false;
  if (const auto* snapshot = std::get_if<spool::Snapshot>(&a.content)) {
    return SameSnapshot(*snapshot, std::get<spool::Snapshot>(b.content));
  }
  const auto& event = std::get<spool::Event>(a.content);
  const auto& other = std::get<spool::Event>(b.content);
  return event.kind == other.kind && event.reason == other.reason && event.count == other.count;
}

}  // namespace doagent::test
