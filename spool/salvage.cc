#include "spool/salvage.h"

#include <algorithm>
#include <utility>

#include "spool/digest.h"
#include "spool/history.h"
#include "spool/object_codec.h"
#include "spool/wreck_records.h"

namespace doagent::spool {
namespace {

// Some milliseconds of work: looking at an image costs little, what is found in it more.
constexpr std::size_t kImagesPerStep = 1024;
constexpr std::size_t kRowsPerStep = 256;
constexpr std::size_t kBytesPerStep = 4 << 20;

// Only the database's own errors end a salvage.
Result<void> UnlessOfRecord(Error error) {
  if (error.code == ErrorCode::kPark) return {};
  return Fail(std::move(error));
}

// The same for every beginning of one salvage.
SpoolId SubstituteId(const std::string& what, const std::string& wreck, OriginNumber number) {
  const ObjectId digest =
      DigestOf(ObjectKind::kSchema, what + " " + std::to_string(number) + " of " + wreck);
  return *SpoolId::FromBytes(digest.bytes());
}

}  // namespace

Salvage::Salvage(Writer& writer, Sealer& sealer, RunReader runs, SalvageSource source, Role role)
    : writer_(writer),
      sealer_(sealer),
      runs_(std::move(runs)),
      decoder_(writer.objects()),
      source_(std::move(source)),
      role_(role),
      tables_(*source_.tables) {}

Result<std::unique_ptr<Salvage>> Salvage::Begin(Writer& writer, Sealer& sealer,
                                                SalvageSource source) {
  DOAGENT_ASSIGN(RunReader runs, RunReader::Prepare(writer.database()));
  DOAGENT_ASSIGN(const Role role, RoleOf(writer.database()));
  std::unique_ptr<Salvage> salvage(
      new Salvage(writer, sealer, std::move(runs), std::move(source), role));
  DOAGENT_ASSIGN(Transaction transaction, writer.Begin());
  DOAGENT_TRY(salvage->PutOrigins());
  DOAGENT_TRY(transaction.Commit());
  return salvage;
}

Result<Salvage::KnownOrigins> Salvage::LoadIncarnations() {
  DOAGENT_ASSIGN(auto origins, LoadOrigins(writer_.database()));
  KnownOrigins known;
  for (OriginRow& origin : origins) {
    for (const auto& start : origin.incarnations) {
      incarnations_[{origin.number, start.incarnation}] = start.first_sequence;
    }
    const SpoolId spool_id = origin.spool_id;
    known.emplace(spool_id, std::move(origin));
  }
  return known;
}

Result<void> Salvage::PutOrigins() {
  DOAGENT_ASSIGN(const auto known, LoadIncarnations());
  return IsLog() ? PutOriginsOfLog(known) : PutOriginsOfFiles(known);
}

Result<std::optional<OriginNumber>> Salvage::Place(OriginRow origin) {
  Database& database = writer_.database();
  DOAGENT_ASSIGN(const auto there, FindOrigin(database, origin.spool_id));
  if (there) return there;
  DOAGENT_ASSIGN(const bool removed, WasRemoved(database, origin.spool_id));
  if (removed || source_.removed_ids.count(origin.spool_id) != 0) return std::nullopt;
  origin.number = 0;
  DOAGENT_ASSIGN(const OriginNumber put, PutOrigin(database, origin));
  return put;
}

Result<void> Salvage::PutOriginsOfLog(const KnownOrigins& known) {
  bool ours = source_.kind == WreckKind::kOwnLog;
  for (const auto& [spool_id, origin] : known) {
    DOAGENT_ASSIGN(heads_[origin.number], HeadOf(writer_.database(), origin.number));
    // The numbers of a log that was found are believed one by one: see DestinationOf.
    if (ours) destinations_[origin.number] = origin.number;
  }
  for (const OriginRow& origin : tables_.origins) {
    const auto same = known.find(origin.spool_id);
    if (same == known.end()) continue;
    ours = true;
    destinations_.try_emplace(origin.number, same->second.number);
  }
  // What began in the lost part.
  for (const OriginRow& origin : tables_.origins) {
    if (!ours || destinations_.count(origin.number) != 0) continue;
    if (known.count(origin.spool_id) != 0) continue;
    DOAGENT_ASSIGN(const auto put, Place(origin));
    if (put) destinations_[origin.number] = *put;
  }
  return {};
}

Result<void> Salvage::PutOriginsOfFiles(const KnownOrigins& known) {
  Database& database = writer_.database();
  for (OriginRow origin : tables_.origins) {
    const auto same = known.find(origin.spool_id);
    if (same != known.end()) {
      destinations_[origin.number] = same->second.number;
      if (origin.first_sequence < same->second.first_sequence) {
        OriginRow longer = same->second;
        longer.first_sequence = origin.first_sequence;
        DOAGENT_TRY(PutOrigin(database, longer));
      }
      DOAGENT_TRY(NoteDivergence(origin, same->second, known));
      continue;
    }
    if (origin.host == Host()) origin.host = source_.host;
    DOAGENT_ASSIGN(const auto put, Place(origin));
    if (!put) continue;
    destinations_[origin.number] = *put;
    for (const auto& start : origin.incarnations) {
      DOAGENT_TRY(PutIncarnation(database, *put, start));
      incarnations_[{*put, start.incarnation}] = start.first_sequence;
    }
  }
  return {};
}

Result<void> Salvage::NoteDivergence(const OriginRow& origin, const OriginRow& same,
                                     const KnownOrigins& known) {
  DOAGENT_ASSIGN(const RangeSet stored, runs_.Sequences(same.number));
  const auto at = DivergesAt(origin.incarnations, same.incarnations, stored);
  if (!at) return {};
  Divergence divergence{*at, same.incarnations, same};
  divergence.other.number = 0;
  divergence.other.spool_id = SubstituteId("another history", source_.name, origin.number);
  const auto other = known.find(divergence.other.spool_id);
  if (other != known.end()) divergence.other = other->second;
  divergences_[origin.number] = std::move(divergence);
  return {};
}

Result<std::optional<OriginNumber>> Salvage::DestinationOf(OriginNumber number,
                                                           Incarnation incarnation,
                                                           const SequenceRange& range) {
  if (source_.kind == WreckKind::kFoundLog && destinations_.count(number) == 0) {
    // Nobody else draws the same number.
    if (incarnations_.count({number, incarnation}) == 0) return std::nullopt;
    destinations_[number] = number;
    begin_again_ = true;
  }
  const auto found = divergences_.find(number);
  if (found == divergences_.end() || range.last < found->second.at ||
      IncarnationAt(found->second.known, range.last) == incarnation) {
    return DestinationOf(number);
  }
  OriginRow& other = found->second.other;
  if (other.number == 0) {
    other.first_sequence = range.first;
    DOAGENT_ASSIGN(const auto put, Place(other));
    if (!put) return std::nullopt;
    other.number = *put;
  }
  return other.number;
}

Result<std::optional<OriginNumber>> Salvage::DestinationOf(OriginNumber number) {
  const auto found = destinations_.find(number);
  if (found != destinations_.end()) return found->second;
  // Beside origins that are known, one that is not is a wrong number; beside none, a forgotten one.
  const bool unknown = tables_.origins.empty() && !tables_.no_origins;
  if (IsLog() || number < 1 || !unknown) return std::nullopt;
  OriginRow origin;
  origin.spool_id = SubstituteId("origin", source_.name, number);
  if (IsOwn(number)) {
    origin.spool_id = SpoolId::FromBytes(*tables_.own_id).value_or(origin.spool_id);
  }
  origin.host = source_.host;
  DOAGENT_ASSIGN(const auto put, Place(origin));
  if (put) destinations_[number] = *put;
  return put;
}

Result<bool> Salvage::Step() {
  if (phase_ == Phase::kDone) return false;
  using Take = Result<void> (Salvage::*)(const RawRow&);
  constexpr Take kTakes[] = {&Salvage::TakeObject, &Salvage::TakeObject, &Salvage::TakeObject,
                             &Salvage::TakeBlock, &Salvage::TakeRecord};
  const Take take = kTakes[static_cast<std::size_t>(phase_)];
  DOAGENT_ASSIGN(Transaction transaction, writer_.Begin());
  placed_.clear();
  const std::size_t end = std::min(source_.wreck->images(), image_ + kImagesPerStep);
  const std::size_t begin = image_;
  const std::uint64_t records_before = records_;
  const auto destinations_before = destinations_;
  const auto divergences_before = divergences_;
  std::size_t bytes = 0;
  rows_ = 0;
  const auto look = [&]() -> Result<void> {
    for (; image_ < end && rows_ < kRowsPerStep && bytes < kBytesPerStep; ++image_) {
      DOAGENT_ASSIGN(const std::size_t fetched,
                     source_.wreck->VisitImage(
                         image_, [this, take](const RawRow& row) { return (this->*take)(row); }));
      bytes += fetched;
    }
    DOAGENT_TRY(PutPlaced());
    return transaction.Commit();
  };
  const auto incarnations_before = incarnations_;
  if (auto looked = look(); !looked) {
    incarnations_ = incarnations_before;
    image_ = begin;
    records_ = records_before;
    destinations_ = destinations_before;
    divergences_ = divergences_before;
    begin_again_ = false;
    return Fail(std::move(looked).error());
  }
  if (std::exchange(begin_again_, false)) {
    // What came before may be of the same origin.
    image_ = 0;
    phase_ = Phase::kBlocks;
  } else if (image_ == source_.wreck->images()) {
    image_ = 0;
    phase_ = static_cast<Phase>(static_cast<std::uint8_t>(phase_) + 1);
  }
  return phase_ != Phase::kDone;
}

double Salvage::progress() const {
  const auto images = static_cast<double>(std::max<std::size_t>(source_.wreck->images(), 1));
  constexpr auto kPhases = static_cast<double>(Phase::kDone);
  return (static_cast<double>(phase_) + static_cast<double>(image_) / images) / kPhases;
}

void Salvage::NoteNewest(const RawRow& row) {
  std::int64_t time_unix_ns = 0;
  if (const auto block = IntactBlock(row)) {
    time_unix_ns = block->last_time_unix_ns;
  } else if (const auto record = RecordOf(row); record && ProvesItself(row)) {
    time_unix_ns = record->time_unix_ns;
  } else {
    return;
  }
  const std::pair one(time_unix_ns, OriginOf(row.rowid));
  if (!newest_ || *newest_ < one) newest_ = one;
}

bool Salvage::IsOwn(OriginNumber number) const {
  if (role_ == Role::kReceiver || !tables_.own_id) return false;
  return newest_ ? newest_->second == number : destinations_.empty();
}

Salvage::Phase Salvage::PhaseOf(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kSchema: return Phase::kSchemas;
    case ObjectKind::kLayout: return Phase::kLayouts;
    case ObjectKind::kKey: break;
  }
  return Phase::kKeys;
}

Result<bool> Salvage::HasAllItNames(const StoredObject& object) {
  DOAGENT_ASSIGN(const std::string content, OpenObject(object));
  const auto named = Dependencies(object.kind, content);
  if (!named) return false;
  for (const ObjectId& id : *named) {
    DOAGENT_ASSIGN(const auto there, writer_.objects().Find(id));
    if (!there) return false;
  }
  return true;
}

Result<void> Salvage::TakeObject(const RawRow& row) {
  if (phase_ == Phase::kSchemas && tables_.origins.empty()) NoteNewest(row);
  // Before it is decompressed: all are seen three times.
  const bool of_this_phase = row.values.size() > 2 && row.values[2].IsInteger() &&
                             PhaseOf(static_cast<ObjectKind>(row.values[2].integer)) == phase_;
  if (!of_this_phase) return {};
  const auto object = IntactObject(row);
  if (!object) return {};
  ++rows_;
  DOAGENT_ASSIGN(const bool complete, HasAllItNames(*object));
  if (!complete) return {};
  DOAGENT_ASSIGN([[maybe_unused]] const std::int64_t put, writer_.PutObjects({*object}));
  if (object->kind != ObjectKind::kKey) return {};
  const auto [begin, end] = keys_.equal_range(row.rowid);
  const bool known =
      std::any_of(begin, end, [&object](const auto& entry) { return entry.second == object->id; });
  if (!known) keys_.emplace(row.rowid, object->id);
  return {};
}

Result<bool> Salvage::IsStored(OriginNumber origin, Sequence sequence) {
  DOAGENT_ASSIGN(const auto rows, runs_.records().Sequences(origin, sequence, sequence, 1));
  if (!rows.empty()) return true;
  DOAGENT_ASSIGN(const auto block, runs_.blocks().FindHead(origin, sequence, sequence));
  return block && SequencesOf(*block).Contains(sequence);
}

Result<void> Salvage::TakeBlock(const RawRow& row) {
  const auto block = IntactBlock(row);
  if (!block) return {};
  ++rows_;
  const auto decoded = decoder_.Block(*block);
  if (!decoded) return UnlessOfRecord(decoded.error());
  DOAGENT_ASSIGN(const auto origin,
                 DestinationOf(OriginOf(row.rowid), decoded->incarnation(), block->range));
  if (!origin) return {};
  RangeSet absent;
  for (const Sequence sequence : decoded->sequences()) {
    DOAGENT_ASSIGN(const bool stored, IsStored(*origin, sequence));
    if (!stored) absent.Add({sequence, sequence});
  }
  if (absent.empty()) return {};
  // A block that is damaged where it goes is no reason to give up.
  if (auto merged = sealer_.Merge(*origin, *block, *decoded); !merged) {
    return UnlessOfRecord(std::move(merged).error());
  }
  NotePlaced(*origin, decoded->incarnation(), absent);
  return {};
}

Result<bool> Salvage::FindKey(std::int64_t key_number, StoredRecord& record) {
  std::vector<ObjectId> candidates;
  const auto [begin, end] = keys_.equal_range(key_number);
  for (auto entry = begin; entry != end; ++entry) candidates.push_back(entry->second);
  if (IsLog()) {
    DOAGENT_ASSIGN(const auto own, writer_.objects().IdOf(key_number));
    if (own) candidates.push_back(*own);
  }
  for (const ObjectId& id : candidates) {
    record.key = id;
    if (VerifyChecksum(record)) return true;
  }
  return false;
}

Result<void> Salvage::TakeRecord(const RawRow& row) {
  auto record = RecordOf(row);
  if (!record) return {};
  ++rows_;
  std::optional<std::int64_t> key_number;
  Incarnation incarnation = 0;
  if (record->kind == RecordKind::kEvent) {
    const auto event = RecordDecoder::Event(*record);
    if (!event) return {};
    incarnation = event->incarnation;
  } else {
    DOAGENT_ASSIGN(const bool intact, FindKey(row.values[4].integer, *record));
    if (!intact) return {};
    const auto decoded = decoder_.Row(*record);
    if (!decoded) return UnlessOfRecord(decoded.error());
    incarnation = decoded->incarnation;
    DOAGENT_ASSIGN(key_number, writer_.objects().Find(record->key));
  }
  DOAGENT_ASSIGN(const auto origin, DestinationOf(OriginOf(row.rowid), incarnation,
                                                  {record->sequence, record->sequence}));
  if (!origin) return {};
  DOAGENT_ASSIGN(const bool stored, IsStored(*origin, record->sequence));
  if (stored) return {};
  // Past the ledger's totals, which are taken over as they are; those of a log are in commits that
  // are lost.
  const bool counted = !IsLog() || record->sequence <= heads_[*origin];
  DOAGENT_TRY(counted ? writer_.records().Insert(*origin, *record, key_number)
                      : writer_.InsertRecord(*origin, *record, key_number));
  NotePlaced(*origin, incarnation, RangeSet({{record->sequence, record->sequence}}));
  return {};
}

void Salvage::NotePlaced(OriginNumber origin, Incarnation incarnation, const RangeSet& sequences) {
  placed_[{origin, incarnation}].Add(sequences);
  records_ += sequences.count();
}

Result<void> Salvage::MoveBeginnings(const KnownOrigins& known) {
  for (const auto& [spool_id, origin] : known) {
    OriginRow longer = origin;
    for (const auto& [whose, sequences] : placed_) {
      if (whose.first != origin.number) continue;
      longer.first_sequence = std::min(longer.first_sequence, sequences.first());
    }
    if (longer.first_sequence == origin.first_sequence) continue;
    DOAGENT_TRY(PutOrigin(writer_.database(), longer));
  }
  return {};
}

Result<void> Salvage::PutPlaced() {
  if (placed_.empty()) return {};
  Database& database = writer_.database();
  // Whoever stores meanwhile may know an earlier beginning.
  DOAGENT_ASSIGN(const auto known, LoadIncarnations());
  if (role_ == Role::kAgent) DOAGENT_TRY(MoveBeginnings(known));
  for (const auto& [whose, sequences] : placed_) {
    const auto [start, begun] = incarnations_.try_emplace(whose, sequences.first());
    if (!begun && start->second <= sequences.first()) continue;
    start->second = sequences.first();
    DOAGENT_TRY(PutIncarnation(database, whose.first, {whose.second, start->second}));
  }
  if (role_ != Role::kReceiver) return {};
  // A receiver goes by this: what is there and not in here would be stored once more.
  DOAGENT_ASSIGN(auto stored, LoadStored(database));
  for (const auto& [whose, sequences] : placed_) {
    RangeSet& all = stored[whose.first];
    all.Add(sequences);
    DOAGENT_TRY(WriteStored(database, whose.first, all, sequences));
  }
  return {};
}

std::vector<OriginNumber> Salvage::Origins() const {
  std::vector<OriginNumber> origins;
  for (const auto& [from, to] : destinations_) origins.push_back(to);
  for (const auto& [from, divergence] : divergences_) {
    if (divergence.other.number != 0) origins.push_back(divergence.other.number);
  }
  return origins;
}

}  // namespace doagent::spool
