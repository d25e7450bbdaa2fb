#include "spool/recognise.h"

#include <sys/stat.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "spool/layout.h"
#include "spool/wreck.h"
#include "spool/wreck_records.h"

namespace doagent::spool {
namespace {

constexpr std::string_view kMagic("SQLite format 3\0", 16);
// Offsets in a database's header, which has 100 bytes.
constexpr std::size_t kHeaderBytes = 100;
constexpr std::size_t kFormatVersionsAt = 18;  // of writing and of reading: 1, or 2 for a log
constexpr std::size_t kUserVersionAt = 60;
constexpr std::size_t kApplicationIdAt = 68;
// How far a file is looked through for something of ours.
constexpr std::size_t kImagesLookedAt = 65536;
constexpr std::size_t kBytesLookedAt = 64 << 20;

// Whether something in the wreck proves by its checksum that a spool wrote it.
bool HasSomethingOfOurs(const Wreck& wreck) {
  bool found = false;
  std::size_t bytes = 0;
  const auto look = [&](std::size_t begin, std::size_t end) {
    end = std::min(end, begin + kImagesLookedAt);
    for (std::size_t image = begin; image < end && !found && bytes < kBytesLookedAt; ++image) {
      // This visitor never fails, so neither does the visit.
      bytes += *wreck.VisitImage(image, [&found](const RawRow& row) -> Result<void> {
        found = found || ProvesItself(row);
        return {};
      });
    }
  };
  look(0, wreck.pages().pages());
  look(wreck.pages().pages(), wreck.images());
  return found;
}

bool OnlyZeros(const PageFile& pages) {
  Page page;
  for (PageNumber number = 1; number <= pages.pages(); ++number) {
    if (!pages.ReadPage(number, page)) return false;
    if (std::any_of(page.begin(), page.end(), [](std::uint8_t byte) { return byte != 0; })) {
      return false;
    }
  }
  return true;
}

// Whether a number has exactly one byte, among those of the mask, that is not the expected one: a
// flipped bit rather than somebody's choice.
bool OneByteOff(std::uint32_t number, std::uint32_t expected, std::uint32_t mask) {
  const std::uint32_t difference = number ^ expected;
  if (difference == 0 || (difference & ~mask) != 0) return false;
  const int low = std::countr_zero(difference) / 8;
  return difference >> (8 * low) <= 0xff;
}

// A header with SQLite's name in it that SQLite, or the check of the version, would stumble over.
bool HeaderIsDamaged(const Page& first, const Wreck& wreck) {
  const std::uint32_t application = ReadBigEndian(&first[kApplicationIdAt], 4);
  constexpr auto kOurs = static_cast<std::uint32_t>(kApplicationId);
  if (application != kOurs) {
    return OneByteOff(application, kOurs, ~0U) && HasSomethingOfOurs(wreck);
  }
  // A higher version is a newer program's: only what no version will ever be counts as damage.
  const std::uint32_t version = ReadBigEndian(&first[kUserVersionAt], 4);
  if (OneByteOff(version, kFormatVersion, 0xffffff00)) return true;
  const auto known = [](std::uint8_t format) { return format == 1 || format == 2; };
  return !known(first[kFormatVersionsAt]) || !known(first[kFormatVersionsAt + 1]);
}

std::string_view TextOf(const Page& page) {
  return {reinterpret_cast<const char*>(page.data()), page.size()};
}

}  // namespace

Result<Recognised> Recognise(const std::filesystem::path& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) {
    if (errno == ENOENT) return Recognised::kNothing;
    return Fail(ErrorCode::kFatal, path.string(), std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    return Fail(ErrorCode::kRefuse, path.string(),
                "is not a regular file; name a spool's database file");
  }
  if (status.st_size == 0) return Recognised::kNothing;
  auto wreck = Wreck::Open(path);
  // What cannot be read is for SQLite to complain about.
  if (!wreck) return Recognised::kDatabase;
  Page first;
  if (!wreck->pages().ReadPage(1, first)) return Recognised::kDatabase;
  const auto size = static_cast<std::size_t>(status.st_size);
  if (TextOf(first).starts_with(kMagic.substr(0, size))) {
    // Cut off within its header, it is no database any more.
    const bool damaged = size < kHeaderBytes || HeaderIsDamaged(first, *wreck);
    return damaged ? Recognised::kWreck : Recognised::kDatabase;
  }
  if (HasSomethingOfOurs(*wreck) || OnlyZeros(wreck->pages())) return Recognised::kWreck;
  return Fail(ErrorCode::kRefuse, path.string(),
              "is not a database, so no spool; name another path");
}

bool WasSpool(const std::filesystem::path& path) {
  const auto wreck = Wreck::Open(path);
  if (!wreck) return false;
  Page first;
  if (wreck->pages().ReadPage(1, first)) {
    const std::uint32_t application = ReadBigEndian(&first[kApplicationIdAt], 4);
    if (application == static_cast<std::uint32_t>(kApplicationId)) return true;
  }
  return HasSomethingOfOurs(*wreck);
}

}  // namespace doagent::spool
