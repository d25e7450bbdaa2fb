#include "spool/salvage.h"

#include <algorithm>
#include <utility>

#include "spool/digest.h"
#include "spool/history.h"
#include "spool/wreck_records.h"

namespace doagent::spool {
namespace {

// Some milliseconds of work.
constexpr std::size_t kImagesPerStep = 128;
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
      tables_(source_.wreck->ReadTables()) {}

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

Result<std::vector<OriginRow>> Salvage::LoadIncarnations() {
  DOAGENT_ASSIGN(auto origins, LoadOrigins(writer_.database()));
  for (const OriginRow& origin : origins) {
    for (const auto& start : origin.incarnations) {
      incarnations_[{origin.number, start.incarnation}] = start.first_sequence;
    }
  }
  return origins;
}

Result<void> Salvage::PutOrigins() {
  DOAGENT_ASSIGN(auto known, LoadIncarnations());
  return IsLog() ? PutOriginsOfLog(std::move(known)) : PutOriginsOfFiles(std::move(known));
}

Result<void> Salvage::PutOriginsOfLog(std::vector<OriginRow> known) {
  Database& database = writer_.database();
  for (const OriginRow& origin : known) {
    DOAGENT_ASSIGN(heads_[origin.number], HeadOf(database, origin.number));
    // The numbers of a log that was found are believed one by one: see DestinationOf.
    if (source_.kind == WreckKind::kOwnLog) destinations_[origin.number] = origin.number;
  }
  const auto numbered = [&known](const SpoolId& spool_id) {
    const auto same = std::find_if(known.begin(), known.end(), [&spool_id](const OriginRow& one) {
      return one.spool_id == spool_id;
    });
    return same == known.end() ? OriginNumber{0} : same->number;
  };
  bool ours = source_.kind == WreckKind::kOwnLog;
  for (const OriginRow& origin : tables_.origins) {
    const OriginNumber number = numbered(origin.spool_id);
    if (number == 0) continue;
    ours = true;
    destinations_.try_emplace(origin.number, number);
  }
  // What began in the lost part.
  for (OriginRow origin : tables_.origins) {
    const OriginNumber number = origin.number;
    if (!ours || destinations_.count(number) != 0 || numbered(origin.spool_id) != 0) continue;
    DOAGENT_ASSIGN(const bool removed, WasRemoved(database, origin.spool_id));
    if (removed) continue;
    origin.number = 0;
    DOAGENT_ASSIGN(origin.number, PutOrigin(database, origin));
    destinations_[number] = origin.number;
    known.push_back(origin);  // a damaged table may name it twice
  }
  return {};
}

Result<void> Salvage::PutOriginsOfFiles(std::vector<OriginRow> known) {
  Database& database = writer_.database();
  for (OriginRow origin : tables_.origins) {
    const OriginNumber number = origin.number;
    const auto same = std::find_if(known.begin(), known.end(), [&origin](const OriginRow& one) {
      return one.spool_id == origin.spool_id;
    });
    if (same != known.end()) {
      destinations_[number] = same->number;
      if (origin.first_sequence < same->first_sequence) {
        OriginRow longer = *same;
        longer.first_sequence = origin.first_sequence;
        DOAGENT_TRY(PutOrigin(database, longer));
      }
      DOAGENT_TRY(NoteDivergence(origin, *same, known));
      continue;
    }
    DOAGENT_ASSIGN(const bool removed, WasRemoved(database, origin.spool_id));
    if (removed || source_.removed_ids.count(origin.spool_id) != 0) continue;
    origin.number = 0;
    if (origin.host == Host()) origin.host = source_.host;
    DOAGENT_ASSIGN(const OriginNumber put, PutOrigin(database, origin));
    for (const auto& start : origin.incarnations) {
      DOAGENT_TRY(PutIncarnation(database, put, start));
      incarnations_[{put, start.incarnation}] = start.first_sequence;
    }
    destinations_[number] = put;
    origin.number = put;
    known.push_back(origin);  // a damaged table may name it twice
  }
  return {};
}

Result<void> Salvage::NoteDivergence(const OriginRow& origin, const OriginRow& same,
                                     const std::vector<OriginRow>& known) {
  DOAGENT_ASSIGN(const RangeSet stored, runs_.Sequences(same.number));
  const auto at = DivergesAt(origin.incarnations, same.incarnations, stored);
  if (!at) return {};
  Divergence divergence{*at, same.incarnations, same};
  divergence.other.number = 0;
  divergence.other.spool_id = SubstituteId("another history", source_.name, origin.number);
  for (const OriginRow& one : known) {
    if (one.spool_id == divergence.other.spool_id) divergence.other = one;
  }
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
  if (other.number == 0 || range.first < other.first_sequence) {
    other.first_sequence = range.first;
    DOAGENT_ASSIGN(other.number, PutOrigin(writer_.database(), other));
  }
  return other.number;
}

Result<std::optional<OriginNumber>> Salvage::DestinationOf(OriginNumber number) {
  const auto found = destinations_.find(number);
  if (found != destinations_.end()) return found->second;
  // Beside origins that are known, one that is not is a wrong number.
  if (IsLog() || number < 1 || !tables_.origins.empty()) return std::nullopt;
  OriginRow origin;
  origin.spool_id = SubstituteId("origin", source_.name, number);
  if (IsOwn(number)) {
    origin.spool_id = SpoolId::FromBytes(*tables_.own_id).value_or(origin.spool_id);
  }
  origin.host = source_.host;
  DOAGENT_ASSIGN(const auto known, LoadOrigins(writer_.database()));
  for (const OriginRow& one : known) {
    if (one.spool_id == origin.spool_id) return destinations_[number] = one.number;
  }
  DOAGENT_ASSIGN(const OriginNumber put, PutOrigin(writer_.database(), origin));
  return destinations_[number] = put;
}

Result<bool> Salvage::Step() {
  if (phase_ == Phase::kDone) return false;
  using Take = Result<void> (Salvage::*)(const RawRow&);
  constexpr Take kTakes[] = {&Salvage::TakeObject, &Salvage::TakeBlock, &Salvage::TakeRecord};
  const Take take = kTakes[static_cast<std::size_t>(phase_)];
  DOAGENT_ASSIGN(Transaction transaction, writer_.Begin());
  placed_.clear();
  const std::size_t end = std::min(source_.wreck->images(), image_ + kImagesPerStep);
  const std::size_t begin = image_;
  const std::uint64_t records_before = records_;
  const auto destinations_before = destinations_;
  const auto divergences_before = divergences_;
  std::size_t bytes = 0;
  const auto look = [&]() -> Result<void> {
    for (; image_ < end && bytes < kBytesPerStep; ++image_) {
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

Result<void> Salvage::TakeObject(const RawRow& row) {
  if (tables_.origins.empty()) NoteNewest(row);
  const auto object = IntactObject(row);
  if (!object) return {};
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

Result<void> Salvage::PutPlaced() {
  if (placed_.empty()) return {};
  Database& database = writer_.database();
  // Whoever stores meanwhile may know an earlier beginning.
  DOAGENT_TRY(LoadIncarnations());
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
