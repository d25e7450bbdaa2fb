#include "spool/salvager.h"

#include <algorithm>
#include <utility>

#include "spool/set_aside.h"

namespace doagent::spool {

namespace {

// What can be read, and what was known besides.
WreckTables TablesOf(const Wreck& wreck, const std::vector<KnownOrigin>& known) {
  WreckTables tables = wreck.ReadTables();
  for (const KnownOrigin& one : known) {
    const bool there =
        std::any_of(tables.origins.begin(), tables.origins.end(), [&one](const OriginRow& origin) {
          return origin.number == one.row.number || origin.spool_id == one.row.spool_id;
        });
    if (!there) tables.origins.push_back(one.row);
    tables.stored[one.row.number].Add(one.stored);
  }
  return tables;
}

}  // namespace

Salvager::Source::Source(std::string its_name, std::string its_time,
                         std::shared_ptr<const Wreck> its_wreck, std::vector<KnownOrigin> its_known)
    : name(std::move(its_name)),
      time(std::move(its_time)),
      wreck(std::move(its_wreck)),
      known(std::move(its_known)),
      tables(std::make_shared<const WreckTables>(TablesOf(*wreck, known))) {}

Result<std::unique_ptr<Salvager>> Salvager::Prepare(Writer& writer, Sealer& sealer, Host host,
                                                    const Known& known) {
  std::unique_ptr<Salvager> salvager(new Salvager(writer, sealer, std::move(host)));
  for (const auto& aside : FilesSetAside(writer.database().path())) {
    if (!IsLogAside(aside)) DOAGENT_TRY(salvager->Add(aside, known));
  }
  return salvager;
}

Result<void> Salvager::Add(const std::filesystem::path& aside, const Known& known) {
  const std::string name = aside.filename().string();
  DOAGENT_ASSIGN(const bool taken_over, WasSalvaged(writer_.database(), name));
  if (taken_over) return {};
  auto wreck = Wreck::Open(aside);
  if (!wreck) {
    notices_.push_back("what is set aside cannot be read, and is left as it is: " +
                       wreck.error().Message());
    return {};
  }
  const auto found = known.find(name);
  sources_.emplace_back(name, TimeInName(aside), std::make_shared<const Wreck>(*std::move(wreck)),
                        found == known.end() ? std::vector<KnownOrigin>() : found->second);
  return {};
}

Result<void> Salvager::AddVanished(std::vector<Vanished>& vanished) {
  for (auto one = vanished.begin(); one != vanished.end();) {
    DOAGENT_ASSIGN(const bool taken_over, WasSalvaged(writer_.database(), one->name));
    if (!taken_over) {
      sources_.insert(sources_.begin(), Source(one->name, NameOfTime(one->noticed), one->wreck));
    }
    one = taken_over ? vanished.erase(one) : std::next(one);
  }
  return {};
}

bool Salvager::Concerns(std::string_view spool_id) const {
  return std::any_of(sources_.begin(), sources_.end(), [spool_id](const Source& source) {
    return std::any_of(
        source.tables->origins.begin(), source.tables->origins.end(),
        [spool_id](const OriginRow& origin) { return origin.spool_id.bytes() == spool_id; });
  });
}

bool Salvager::IsInAnother(const std::string& name) const {
  return std::any_of(sources_.begin(), sources_.end(), [&name](const Source& source) {
    return source.tables->salvaged.count(name) != 0;
  });
}

std::set<SpoolId> Salvager::RemovedAfter(const std::string& time) const {
  std::set<SpoolId> removed;
  for (const Source& source : sources_) {
    const auto& ids = source.tables->removed_ids;
    if (source.time > time) removed.insert(ids.begin(), ids.end());
  }
  return removed;
}

std::optional<ReceiverId> Salvager::FormerReceiver() const {
  std::optional<ReceiverId> former;
  std::string newest;
  for (const Source& source : sources_) {
    const auto& tables = source.tables;
    if (tables->role != Role::kReceiver || !tables->own_id || source.time < newest) continue;
    if (const auto id = ReceiverId::FromBytes(*tables->own_id)) {
      former = id;
      newest = source.time;
    }
  }
  return former;
}

Result<std::unique_ptr<Salvage>> Salvager::Begin(const Source& source, WreckKind kind) {
  // The mark of one that is still to be taken over came with another, which has its totals.
  DOAGENT_ASSIGN(const bool came_with_another, WasSalvaged(writer_.database(), source.name));
  return Salvage::Begin(writer_, sealer_,
                        {.wreck = source.wreck,
                         .tables = source.tables,
                         .name = source.name,
                         .kind = kind,
                         .host = host_,
                         .totals = !came_with_another && !IsInAnother(source.name),
                         .removed_ids = RemovedAfter(source.time),
                         .known = source.known});
}

Result<void> Salvager::PutOrigins() {
  for (const Source& source : sources_) {
    DOAGENT_ASSIGN([[maybe_unused]] const auto begun, Begin(source, WreckKind::kFiles));
  }
  return {};
}

Result<Salvager::Progress> Salvager::Step() {
  if (!salvage_) {
    if (sources_.empty()) return Progress::kNothing;
    DOAGENT_ASSIGN(salvage_, Begin(sources_.front(), WreckKind::kFiles));
  }
  DOAGENT_ASSIGN(const bool more, salvage_->Step());
  return more ? Progress::kMore : Progress::kSeen;
}

Result<void> Salvager::TakeOverLogs(const std::filesystem::path& copied) {
  for (const auto& aside : FilesSetAside(writer_.database().path())) {
    if (!IsLogAside(aside)) continue;
    const std::string name = aside.filename().string();
    DOAGENT_ASSIGN(const bool taken_over, WasSalvaged(writer_.database(), name));
    // What a wreck took over comes with it, under the right numbers.
    if (taken_over || IsInAnother(name)) continue;
    auto wreck = Wreck::Open(aside);
    if (!wreck) {
      notices_.push_back("the copy of a damaged log cannot be read: " + wreck.error().Message());
      continue;
    }
    const bool just_copied = aside.filename() == copied.filename();
    const WreckKind kind = just_copied ? WreckKind::kOwnLog : WreckKind::kFoundLog;
    DOAGENT_ASSIGN(auto salvage, Begin(Source(name, TimeInName(aside),
                                              std::make_shared<const Wreck>(*std::move(wreck))),
                                       kind));
    for (bool more = true; more;) {
      DOAGENT_ASSIGN(more, salvage->Step());
    }
    logs_.push_back(std::move(salvage));
  }
  return {};
}

void Salvager::Done() {
  if (!logs_.empty()) {
    logs_.erase(logs_.begin());
    return;
  }
  salvage_.reset();
  sources_.erase(sources_.begin());
}

}  // namespace doagent::spool
