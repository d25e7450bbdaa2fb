#include "spool/held_file.h"

#include <system_error>
#include <utility>

#include "spool/file_system.h"
#include "spool/set_aside.h"

namespace doagent::spool {
namespace {

// Invalid where there is none: it will then be found to be another one, and looked for again.
Descriptor Open(const std::filesystem::path& path) {
  auto file = Descriptor::OpenForReading(path);
  return file && *file ? **std::move(file) : Descriptor();
}

}  // namespace

tl::unexpected<Error> GoneWhileOpened(const std::filesystem::path& path) {
  return Fail(ErrorCode::kRetry, path.string(),
              "was removed, replaced or cut off while it was opened");
}

bool MayStay(const Error& error) {
  return error.code != ErrorCode::kRetry && error.code != ErrorCode::kBusy;
}

Result<std::vector<std::filesystem::path>> KeepVanished(const std::filesystem::path& spool,
                                                        std::vector<Vanished>& vanished) {
  std::vector<std::filesystem::path> kept;
  while (!vanished.empty()) {
    const PageFile& pages = vanished.front().wreck->pages();
    const auto aside = FolderOf(spool) / vanished.front().name;
    DOAGENT_TRY(CopyAside(pages.database(), pages.log(), aside));
    kept.push_back(aside);
    vanished.erase(vanished.begin());
  }
  return kept;
}

HeldFile::HeldFile(std::filesystem::path path)
    : path_(std::move(path)), log_path_(path_.string() + "-wal") {}

void HeldFile::Hold() {
  if (!database_.IsAt(path_)) database_ = Open(path_);
  if (!log_.IsAt(log_path_)) log_ = Open(log_path_);
}

Result<void> HeldFile::Hold(Database& database) {
  // If it is what was held before, it is still to be taken over.
  if (database.HasMoved() || database.IsCutOff()) return GoneWhileOpened(path_);
  Hold();
  if (database.HasMoved()) {
    Release();
    return GoneWhileOpened(path_);
  }
  if (std::error_code none; std::filesystem::exists(log_path_, none) || none) return {};
  // The log alone: what is in it would be out of reach when the database goes, too.
  DOAGENT_TRY(database.EmptyLog());
  return GoneWhileOpened(path_);
}

void HeldFile::Release() {
  database_ = Descriptor();
  log_ = Descriptor();
}

std::optional<Vanished> HeldFile::TakeVanished(WallTime now) {
  const bool log_left = log_.IsAt(log_path_);
  // Under which it is marked as taken over, whether or not it gets it.
  std::string name = NameOfRemoved(path_, ++vanished_, now).filename().string();
  // Its content is there as long as it is open.
  auto pages =
      PageFile::Open(std::exchange(database_, Descriptor()), std::exchange(log_, Descriptor()));
  if (!pages) return std::nullopt;
  if (log_left) RemoveLog(path_);
  return Vanished{std::move(name), now, std::make_shared<const Wreck>(*std::move(pages))};
}

}  // namespace doagent::spool
