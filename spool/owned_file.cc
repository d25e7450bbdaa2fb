#include "spool/owned_file.h"

#include <system_error>
#include <utility>

#include "spool/recognise.h"
#include "spool/set_aside.h"
#include "spool/wreck.h"

namespace doagent::spool {
namespace {

// A larger file would keep the first snapshot waiting: what is wrong in it shows when it is used.
constexpr std::uintmax_t kCheckedBytesMax = 64 << 20;

// The first line is the name of the database, which is always the same.
std::string WithoutHeading(const std::string& found) {
  return found.starts_with("***") ? found.substr(found.find('\n') + 1) : found;
}

Result<std::unique_ptr<Writer>> OpenChecked(const std::filesystem::path& path, Role role) {
  DOAGENT_ASSIGN(auto writer, Writer::Open(path, role));
  Database& database = writer->database();
  std::error_code none;
  if (std::filesystem::file_size(path, none) <= kCheckedBytesMax && !none) {
    auto found = database.QueryText("PRAGMA quick_check(1)");
    // A page that could not be read once counts as damage there: it is asked again.
    if (found && *found != "ok") found = database.QueryText("PRAGMA quick_check(1)");
    if (!found) return Fail(found.error());
    if (*found != "ok") return Fail(ErrorCode::kSalvage, path.string(), WithoutHeading(*found));
  }
  database.LeaveLogAtClose(false);
  return writer;
}

Result<std::unique_ptr<Writer>> OpenWithReserve(const std::filesystem::path& path, Role role,
                                                ReserveFile& reserve) {
  auto writer = OpenChecked(path, role);
  if (writer || writer.error().code != ErrorCode::kEvict || !reserve.GiveUp()) return writer;
  return OpenChecked(path, role);
}

Result<std::filesystem::path> KeepLostCommits(const std::filesystem::path& path, WallTime now,
                                              ReserveFile& reserve) {
  DOAGENT_ASSIGN(const Wreck wreck, Wreck::Open(path));
  if (!wreck.pages().SummariseLog().damaged()) return std::filesystem::path();
  auto copy = CopyLogAside(path, now);
  if (copy || copy.error().code != ErrorCode::kEvict || !reserve.GiveUp()) return copy;
  return CopyLogAside(path, now);
}

// Of a file that is made now, although there was one: an opening that failed after setting it
// aside, or a log without its database.
std::string WhatWasBefore(const std::filesystem::path& path) {
  auto sets = FilesSetAside(path);
  std::erase_if(sets, IsLogAside);
  if (sets.empty()) return "";
  return "the spool that was here is kept as " + sets.back().string();
}

// Sets the files aside and opens a new one.
Result<OwnedFile> ReplaceOwned(const std::filesystem::path& path, Role role, WallTime now,
                               const std::string& why, ReserveFile& reserve) {
  DOAGENT_ASSIGN(const auto aside, SetAside(path, now));
  OwnedFile owned;
  owned.replaced = WhyReplaced(why, aside);
  DOAGENT_ASSIGN(owned.writer, OpenWithReserve(path, role, reserve));
  return owned;
}

}  // namespace

std::string WhyReplaced(const std::string& why, const std::filesystem::path& aside) {
  return "the spool was damaged (" + why + ")" +
         (aside.empty() ? "" : " and is kept as " + aside.string());
}

Result<std::unique_ptr<Writer>> OpenAgain(const std::filesystem::path& path, Role role) {
  DOAGENT_ASSIGN(auto writer, Writer::Open(path, role));
  DOAGENT_TRY(writer->database().SettleLog());
  DOAGENT_TRY(SetLogSize(writer->database()));
  writer->database().LeaveLogAtClose(false);
  return writer;
}

Result<OwnedFile> OpenOwned(const std::filesystem::path& path, Role role, WallTime now,
                            ReserveFile& reserve) {
  DOAGENT_ASSIGN(const Recognised recognised, Recognise(path));
  // Not somebody else's log, nor a copy of a log of theirs.
  const bool ours = recognised != Recognised::kWreck && WasSpool(path);
  if (recognised == Recognised::kNothing && ours) DOAGENT_TRY(FinishSetAside(path, now));
  if (recognised == Recognised::kWreck) {
    return ReplaceOwned(path, role, now, "it is no database any more", reserve);
  }
  OwnedFile owned;
  if (recognised == Recognised::kDatabase && ours) {
    DOAGENT_ASSIGN(owned.log_aside, KeepLostCommits(path, now, reserve));
  }
  auto writer = OpenWithReserve(path, role, reserve);
  if (!writer && writer.error().code == ErrorCode::kSalvage) {
    if (WasSpool(path)) return ReplaceOwned(path, role, now, writer.error().what, reserve);
    return Fail(ErrorCode::kRefuse, path.string(),
                "is not a spool: " + writer.error().what + "; name another path");
  }
  if (!writer) return Fail(std::move(writer).error());
  owned.writer = *std::move(writer);
  if (recognised == Recognised::kNothing) owned.replaced = WhatWasBefore(path);
  return owned;
}

}  // namespace doagent::spool
