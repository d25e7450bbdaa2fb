#include "spool/salvager.h"

#include <algorithm>
#include <utility>

#include "spool/set_aside.h"

namespace doagent::spool {

Result<std::unique_ptr<Salvager>> Salvager::Prepare(Writer& writer, Sealer& sealer, Host host) {
  std::unique_ptr<Salvager> salvager(new Salvager(writer, sealer, std::move(host)));
  for (const auto& aside : FilesSetAside(writer.database().path())) {
    // The log of a file that has been replaced since says nothing that the file itself does not.
    if (IsLogAside(aside)) continue;
    const std::string name = aside.filename().string();
    DOAGENT_ASSIGN(const bool taken_over, WasSalvaged(writer.database(), name));
    if (!taken_over) salvager->sources_.push_back({name, aside, nullptr});
  }
  return salvager;
}

void Salvager::AddVanished(std::shared_ptr<const Wreck> wreck) {
  sources_.insert(sources_.begin(), {"the file that was removed", {}, std::move(wreck)});
}

bool Salvager::Concerns(std::string_view spool_id) const {
  const auto names = [spool_id](const Wreck& wreck) {
    const WreckTables tables = wreck.ReadTables();
    return std::any_of(
        tables.origins.begin(), tables.origins.end(),
        [spool_id](const OriginRow& origin) { return origin.spool_id.bytes() == spool_id; });
  };
  return std::any_of(sources_.begin(), sources_.end(), [&names](const Source& source) {
    if (IsLogAside(source.path)) return false;  // of this very spool, and taken over at once
    if (source.wreck) return names(*source.wreck);
    const auto wreck = Wreck::Open(source.path);
    return wreck && names(*wreck);
  });
}

std::optional<ReceiverId> Salvager::FormerReceiver() const {
  if (sources_.empty() || IsLogAside(sources_.back().path)) return std::nullopt;
  const auto wreck = Wreck::Open(sources_.back().path);
  if (!wreck) return std::nullopt;
  const WreckTables tables = wreck->ReadTables();
  if (tables.role != Role::kReceiver || !tables.own_id) return std::nullopt;
  return ReceiverId::FromBytes(*tables.own_id);
}

Result<Salvager::Progress> Salvager::Step() {
  if (!salvage_) {
    if (sources_.empty()) return Progress::kNothing;
    Source& source = sources_.front();
    if (!source.wreck) {
      DOAGENT_ASSIGN(Wreck wreck, Wreck::Open(source.path));
      source.wreck = std::make_shared<const Wreck>(std::move(wreck));
    }
    DOAGENT_ASSIGN(salvage_,
                   Salvage::Begin(writer_, sealer_, {source.wreck, source.name, false, host_}));
    seen_ = false;
  }
  if (!seen_) {
    DOAGENT_ASSIGN(const bool more, salvage_->Step());
    seen_ = !more;
  }
  return seen_ ? Progress::kSeen : Progress::kMore;
}

Result<void> Salvager::TakeOverLog(const std::filesystem::path& log_aside) {
  DOAGENT_ASSIGN(Wreck wreck, Wreck::Open(log_aside));
  const std::string name = log_aside.filename().string();
  auto shared = std::make_shared<const Wreck>(std::move(wreck));
  DOAGENT_ASSIGN(salvage_, Salvage::Begin(writer_, sealer_, {shared, name, true, host_}));
  sources_.insert(sources_.begin(), {name, log_aside, std::move(shared)});
  for (bool more = true; more;) {
    DOAGENT_ASSIGN(more, salvage_->Step());
  }
  seen_ = true;
  return {};
}

void Salvager::Done() {
  salvage_.reset();
  sources_.erase(sources_.begin());
}

}  // namespace doagent::spool
