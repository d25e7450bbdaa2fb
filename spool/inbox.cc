#include "spool/inbox.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "spool/check.h"
#include "spool/history.h"
#include "spool/layout.h"
#include "spool/lock_file.h"
#include "spool/maintenance.h"
#include "spool/object_codec.h"
#include "spool/origin_table.h"
#include "spool/range_table.h"
#include "spool/record_decoder.h"
#include "spool/run_reader.h"
#include "spool/writer.h"

namespace doagent::spool {
namespace {

constexpr const char* kOwnId = "spool_id";

struct InboxOrigin {
  OriginRow row;
  RangeSet stored;
  // Openings whose sequences are another history's. Nothing of theirs is stored, not even what
  // would fit in between: they belong under the new spool id that their agent will choose.
  std::set<Incarnation> conflicting;
};

// What one Store call is about to change; becomes the state once it is committed.
struct PendingOrigin {
  InboxOrigin origin;
  RangeSet added;
  std::vector<IncarnationStart> begun;  // what it adds to the origin's incarnations
  std::vector<Sequence> rows;           // that it adds
};

// What one batch may cost whoever waits behind it: some seconds at most. What is beyond is refused
// for now, and comes again in a batch of its own.
constexpr std::size_t kBatchIncarnationsMax = 1000;
constexpr std::size_t kBatchSeriesMax = 50'000'000;  // decoded, of all rows together

Refusal RefusalFor(const Error& error) {
  return error.code == ErrorCode::kRetry || error.code == ErrorCode::kEvict ? Refusal::kRetry
                                                                            : Refusal::kPermanent;
}

RefusedRange RefuseOne(const StoredRecord& record, Refusal refusal, std::string detail) {
  return {{record.sequence, record.sequence}, refusal, std::move(detail), {}};
}

constexpr const char* kTooMuch = "too much for one batch";
constexpr const char* kOtherOpening = "another opening of the spool wrote the sequences around it";

// Why a block is not taken.
struct Refused {
  Refusal refusal = Refusal::kPermanent;
  std::string detail;
  std::vector<ObjectId> missing_objects;
};

// Neighbours that are refused for the same reason become one range.
void AddRefused(std::vector<RefusedRange>& refused, RefusedRange next) {
  if (!refused.empty()) {
    RefusedRange& last = refused.back();
    if (last.range.last + 1 == next.range.first && last.refusal == next.refusal &&
        last.detail == next.detail && last.missing_objects == next.missing_objects) {
      last.range.last = next.range.last;
      return;
    }
  }
  refused.push_back(std::move(next));
}

}  // namespace

class Inbox::Impl {
 public:
  Impl(LockFile lock, std::unique_ptr<Writer> writer, RunReader runs,
       std::unique_ptr<Maintenance> maintenance)
      : lock_(std::move(lock)),
        writer_(std::move(writer)),
        runs_(std::move(runs)),
        maintenance_(std::move(maintenance)),
        decoder_(writer_->objects()) {}

  Result<void> Load(const InboxOptions& options);
  const ReceiverId& receiver_id() const { return receiver_id_; }
  Result<StoredClaim> Register(const Principal& principal, const Claim& claim);
  Result<std::vector<BatchOutcome>> Store(const std::vector<IncomingBatch>& batches, WallTime now);
  Result<bool> Maintain(WallTime now);

 private:
  using Working = std::map<SpoolId, PendingOrigin>;

  Result<void> PutClaim(const Principal& principal, const Claim& claim);
  Result<BatchOutcome> StoreBatch(const IncomingBatch& batch, PendingOrigin& origin);
  Result<void> StoreRecords(const IncomingBatch& batch, PendingOrigin& origin,
                            BatchOutcome& outcome);
  Result<void> StoreBlocks(const IncomingBatch& batch, PendingOrigin& origin,
                           BatchOutcome& outcome);
  // What is wrong with the objects, if anything: what there is in the table is whole, so that every
  // object's dependencies are there.
  Result<std::optional<RefusedRange>> PutIncomingObjects(const IncomingBatch& batch);
  // Stores the record, or says why not; an error is the database's.
  Result<std::optional<RefusedRange>> StoreRecord(const StoredRecord& record,
                                                  PendingOrigin& origin);
  // The same for a block: all of it is stored, or nothing.
  Result<std::optional<Refused>> StoreBlock(const StoredBlock& block, PendingOrigin& origin);
  Result<std::optional<RefusedRange>> CompareWithStored(const StoredRecord& record,
                                                        const PendingOrigin& origin);
  // Whether every snapshot that is stored already is the block's.
  Result<bool> AgreesWithStored(const DecodedBlock& block, const PendingOrigin& origin);
  // Calls visit for what is stored in the range and can be read: with a snapshot, or with null for
  // an event. False: visit returned false, which ends it.
  using StoredVisitor = std::function<bool(Sequence, const Snapshot*)>;
  Result<bool> VisitStored(OriginNumber origin, SequenceRange range, const StoredVisitor& visit);
  // That the incarnation wrote these, none of which is stored. False: another wrote around them.
  static bool NoteIncarnations(Incarnation incarnation, const RangeSet& sequences,
                               PendingOrigin& pending);
  struct Validated {
    Incarnation incarnation = 0;
    std::optional<std::int64_t> key;
    std::optional<RefusedRange> refused;
  };
  Result<Validated> Validate(const StoredRecord& record);
  // The block, decoded; or why it is not taken.
  Result<tl::expected<DecodedBlock, Refused>> Validate(const StoredBlock& block);
  bool TooMuch(const PendingOrigin& origin, std::size_t begun_before) const;
  Result<void> WriteOrigins(const Working& working);

  LockFile lock_;
  std::unique_ptr<Writer> writer_;
  RunReader runs_;
  std::unique_ptr<Maintenance> maintenance_;
  RecordDecoder decoder_;
  std::size_t series_decoded_ = 0;  // of the batch that is being stored
  ReceiverId receiver_id_;
  std::map<SpoolId, InboxOrigin> origins_;
};

Result<void> Inbox::Impl::Load(const InboxOptions& options) {
  Database& database = writer_->database();
  DOAGENT_ASSIGN(const auto own_id, LoadMeta(database, kOwnId));
  if (own_id) {
    const auto id = ReceiverId::FromBytes(*own_id);
    if (!id) return Fail(ErrorCode::kSalvage, database.path(), "the receiver's own id is damaged");
    receiver_id_ = *id;
  } else {
    const std::uint64_t halves[2] = {options.random(), options.random()};
    receiver_id_ = *ReceiverId::FromBytes({reinterpret_cast<const char*>(halves), sizeof halves});
    DOAGENT_TRY(StoreMeta(database, kOwnId, receiver_id_.bytes()));
  }
  DOAGENT_ASSIGN(auto rows, LoadOrigins(database));
  DOAGENT_ASSIGN(auto stored, LoadStored(database));
  for (auto& row : rows) {
    InboxOrigin origin{row, std::move(stored[row.number]), {}};
    maintenance_->Look(row.number);
    origins_.emplace(row.spool_id, std::move(origin));
  }
  return {};
}

Result<void> Inbox::Impl::PutClaim(const Principal& principal, const Claim& claim) {
  const auto found = origins_.find(claim.spool_id);
  OriginRow row;
  if (found != origins_.end()) {
    row = found->second.row;
  } else {
    row.spool_id = claim.spool_id;
    // Not what the claim asks about: another receiver may have that, and it will not come here.
    row.first_sequence = claim.head + 1;
    row.principal = principal.name;
  }
  if (row.number != 0 && claim.host == row.host) return {};
  OriginRow wanted = row;
  wanted.host = claim.host;
  DOAGENT_ASSIGN(Transaction transaction, writer_->Begin());
  DOAGENT_ASSIGN(wanted.number, PutOrigin(writer_->database(), wanted));
  DOAGENT_TRY(transaction.Commit());
  origins_[claim.spool_id].row = std::move(wanted);
  return {};
}

Result<StoredClaim> Inbox::Impl::Register(const Principal& principal, const Claim& claim) {
  const auto found = origins_.find(claim.spool_id);
  if (found != origins_.end() && found->second.row.principal != principal.name &&
      !principal.relay) {
    return Fail(ErrorCode::kRefuse, "spool " + claim.spool_id.Hex(),
                "belongs to another principal");
  }
  DOAGENT_TRY(PutClaim(principal, claim));
  InboxOrigin& origin = origins_.at(claim.spool_id);
  StoredClaim answer{claim.spool_id, {}, false};
  if (origin.stored.empty()) return answer;
  const Sequence last = origin.stored.last();
  if (claim.first_pending <= last) {
    for (const auto& part : origin.stored.Within({claim.first_pending, last})) {
      answer.stored.Add(part);
    }
  }
  auto conflicting = ConflictingIncarnations(claim.incarnations, claim.head,
                                             origin.row.incarnations, origin.stored);
  const bool knows_more = claim.current && last > claim.head;
  if (knows_more && !claim.incarnations.empty()) {
    conflicting.push_back(claim.incarnations.back().incarnation);
  }
  answer.conflict = knows_more || !conflicting.empty();
  origin.conflicting.insert(conflicting.begin(), conflicting.end());
  return answer;
}

Result<std::optional<RefusedRange>> Inbox::Impl::PutIncomingObjects(const IncomingBatch& batch) {
  RefusedRange refused{{}, Refusal::kPermanent, "", {}};
  for (const auto& object : batch.objects) {
    DOAGENT_ASSIGN(const auto known, writer_->objects().Find(object.id));
    if (known) continue;
    const auto content = OpenObject(object);
    const auto dependencies = content ? Dependencies(object.kind, *content)
                                      : Result<std::vector<ObjectId>>(Fail(content.error()));
    if (!dependencies) {
      refused.detail = dependencies.error().Message();
      return refused;
    }
    for (const auto& dependency : *dependencies) {
      DOAGENT_ASSIGN(const auto there, writer_->objects().Find(dependency));
      if (!there) refused.missing_objects.push_back(dependency);
    }
    if (!refused.missing_objects.empty()) {
      refused.refusal = Refusal::kMissingObject;
      refused.detail = "an object names others that are missing";
      return refused;
    }
    DOAGENT_ASSIGN([[maybe_unused]] const std::int64_t number, writer_->PutObjects({object}));
  }
  return std::nullopt;
}

Result<Inbox::Impl::Validated> Inbox::Impl::Validate(const StoredRecord& record) {
  Validated validated;
  const auto refuse = [&](Refusal refusal, std::string detail) {
    validated.refused = RefuseOne(record, refusal, std::move(detail));
    return validated;
  };
  if (const auto intact = VerifyChecksum(record); !intact) {
    return refuse(Refusal::kPermanent, intact.error().what);
  }
  if (record.kind == RecordKind::kEvent) {
    const auto event = DecodeEvent(record);
    if (!event) return refuse(RefusalFor(event.error()), event.error().Message());
    validated.incarnation = event->incarnation;
    return validated;
  }
  DOAGENT_ASSIGN(validated.key, writer_->objects().Find(record.key));
  if (!validated.key) {
    refuse(Refusal::kMissingObject, "a key is missing");
    validated.refused->missing_objects = {record.key};
    return validated;
  }
  const auto key = decoder_.catalog().FindKey(record.key);
  if (!key) return refuse(RefusalFor(key.error()), key.error().Message());
  series_decoded_ += (*key)->layout->series;
  const auto snapshot = DecodeRow(record, **key);
  if (!snapshot) return refuse(Refusal::kPermanent, snapshot.error().Message());
  validated.incarnation = (*key)->incarnation;
  return validated;
}

Result<tl::expected<DecodedBlock, Refused>> Inbox::Impl::Validate(const StoredBlock& block) {
  const auto refuse = [](Refusal refusal, std::string detail, std::vector<ObjectId> missing = {}) {
    return tl::expected<DecodedBlock, Refused>(
        tl::unexpect, Refused{refusal, std::move(detail), std::move(missing)});
  };
  if (const auto intact = VerifyChecksum(block); !intact) {
    return refuse(Refusal::kPermanent, intact.error().what);
  }
  std::vector<ObjectId> missing;
  for (const ObjectId& layout : block.layouts) {
    DOAGENT_ASSIGN(const auto known, writer_->objects().Find(layout));
    if (!known) missing.push_back(layout);
  }
  if (!missing.empty()) {
    return refuse(Refusal::kMissingObject, "a layout is missing", std::move(missing));
  }
  const auto layouts = decoder_.catalog().FindLayouts(block.layouts);
  if (!layouts) return refuse(RefusalFor(layouts.error()), layouts.error().Message());
  auto decoded = DecodeBlock(block, *layouts);
  if (!decoded) return refuse(Refusal::kPermanent, decoded.error().Message());
  series_decoded_ += decoded->size() * layouts->back()->series;
  return *std::move(decoded);
}

Result<bool> Inbox::Impl::VisitStored(OriginNumber origin, SequenceRange range,
                                      const StoredVisitor& visit) {
  for (Sequence next = range.first; next <= range.last;) {
    DOAGENT_ASSIGN(const auto run, runs_.Next(origin, next, range.last, ReadLimits()));
    if (!run) break;
    next = run->covered.last + 1;
    for (const StoredRecord& record : run->records) {
      const auto row = record.kind == RecordKind::kRow
                           ? decoder_.Row(record)
                           : Result<NumberedSnapshot>(NumberedSnapshot());
      if (!row) continue;
      if (!visit(record.sequence, record.kind == RecordKind::kRow ? &row->snapshot : nullptr)) {
        return false;
      }
    }
    if (!run->block) continue;
    const auto block = decoder_.Block(*run->block);
    for (std::size_t i = 0; block && i < block->size(); ++i) {
      const Sequence sequence = block->sequences()[i];
      if (sequence < run->covered.first || sequence > run->covered.last) continue;
      const Snapshot snapshot = block->At(i);
      if (!visit(sequence, &snapshot)) return false;
    }
  }
  return true;
}

Result<std::optional<RefusedRange>> Inbox::Impl::CompareWithStored(const StoredRecord& record,
                                                                   const PendingOrigin& origin) {
  const SequenceRange range{record.sequence, record.sequence};
  const OriginNumber number = origin.origin.row.number;
  DOAGENT_ASSIGN(const auto run, runs_.Next(number, range.first, range.last, ReadLimits()));
  // Stored once and removed since: it was acknowledged then, and is now.
  if (!run) return std::nullopt;
  if (!run->records.empty() && run->records.front().checksum == record.checksum) {
    return std::nullopt;
  }
  // Other bytes may hold the same, written against another key or sealed.
  const auto row =
      record.kind == RecordKind::kRow ? decoder_.Row(record) : Result<NumberedSnapshot>(Fail({}));
  if (row) {
    DOAGENT_ASSIGN(const bool same,
                   VisitStored(number, range, [&row](Sequence, const Snapshot* stored) {
                     return stored != nullptr && SameContent(*stored, row->snapshot);
                   }));
    if (same) return std::nullopt;
  }
  return RefuseOne(record, Refusal::kEpochConflict,
                   "another record is stored under this sequence already");
}

Result<bool> Inbox::Impl::AgreesWithStored(const DecodedBlock& block, const PendingOrigin& origin) {
  const auto& sequences = block.sequences();
  return VisitStored(origin.origin.row.number, {sequences.front(), sequences.back()},
                     [&](Sequence sequence, const Snapshot* stored) {
                       const auto found =
                           std::lower_bound(sequences.begin(), sequences.end(), sequence);
                       if (found == sequences.end() || *found != sequence) return true;
                       const auto i = static_cast<std::size_t>(found - sequences.begin());
                       return stored != nullptr && SameContent(*stored, block.At(i));
                     });
}

Result<std::optional<Refused>> Inbox::Impl::StoreBlock(const StoredBlock& block,
                                                       PendingOrigin& pending) {
  InboxOrigin& origin = pending.origin;
  DOAGENT_ASSIGN(const auto decoded, Validate(block));
  if (!decoded) return decoded.error();
  RangeSet added = SequencesOf(block);
  for (const auto& range : origin.stored.Within(block.range)) added.Remove(range);
  DOAGENT_ASSIGN(const bool agrees, AgreesWithStored(*decoded, pending));
  if (!agrees) {
    return Refused{Refusal::kEpochConflict, "other records are stored under its sequences", {}};
  }
  if (added.empty()) return std::nullopt;
  if (!NoteIncarnations(decoded->incarnation(), added, pending)) {
    return Refused{Refusal::kEpochConflict, kOtherOpening, {}};
  }
  DOAGENT_TRY(maintenance_->sealer().Merge(origin.row.number, block, *decoded));
  origin.stored.Add(added);
  pending.added.Add(added);
  return std::nullopt;
}

bool Inbox::Impl::NoteIncarnations(Incarnation incarnation, const RangeSet& sequences,
                                   PendingOrigin& pending) {
  InboxOrigin& origin = pending.origin;
  if (origin.conflicting.contains(incarnation)) return false;
  auto starts = origin.row.incarnations;
  std::optional<IncarnationStart> begun;
  for (const auto& range : sequences.ToVector()) {
    for (Sequence sequence = range.first; sequence <= range.last; ++sequence) {
      const Noted noted = NoteIncarnation(starts, origin.stored, incarnation, sequence);
      if (noted == Noted::kConflict) {
        origin.conflicting.insert(incarnation);
        return false;
      }
      if (noted == Noted::kNew) begun = IncarnationStart{incarnation, sequence};
    }
  }
  origin.row.incarnations = std::move(starts);
  if (begun) pending.begun.push_back(*begun);
  return true;
}

Result<std::optional<RefusedRange>> Inbox::Impl::StoreRecord(const StoredRecord& record,
                                                             PendingOrigin& pending) {
  InboxOrigin& origin = pending.origin;
  if (origin.stored.Contains(record.sequence)) return CompareWithStored(record, pending);
  DOAGENT_ASSIGN(Validated validated, Validate(record));
  if (validated.refused) return std::move(validated.refused);

  const RangeSet sequence({{record.sequence, record.sequence}});
  if (!NoteIncarnations(validated.incarnation, sequence, pending)) {
    return RefuseOne(record, Refusal::kEpochConflict, kOtherOpening);
  }
  DOAGENT_TRY(writer_->InsertRecord(origin.row.number, record, validated.key));
  origin.stored.Add(sequence);
  pending.added.Add(sequence);
  if (record.kind == RecordKind::kRow) pending.rows.push_back(record.sequence);
  return std::nullopt;
}

bool Inbox::Impl::TooMuch(const PendingOrigin& origin, std::size_t begun_before) const {
  return origin.begun.size() >= begun_before + kBatchIncarnationsMax ||
         series_decoded_ >= kBatchSeriesMax;
}

Result<void> Inbox::Impl::StoreRecords(const IncomingBatch& batch, PendingOrigin& origin,
                                       BatchOutcome& outcome) {
  const std::size_t begun_before = origin.begun.size();
  for (const auto& record : batch.records) {
    if (TooMuch(origin, begun_before)) {
      AddRefused(outcome.refused, RefuseOne(record, Refusal::kRetry, kTooMuch));
      continue;
    }
    DOAGENT_ASSIGN(auto refused, StoreRecord(record, origin));
    if (refused) {
      AddRefused(outcome.refused, *std::move(refused));
    } else {
      outcome.stored.Add({record.sequence, record.sequence});
    }
  }
  return {};
}

Result<void> Inbox::Impl::StoreBlocks(const IncomingBatch& batch, PendingOrigin& origin,
                                      BatchOutcome& outcome) {
  const std::size_t begun_before = origin.begun.size();
  for (const auto& block : batch.blocks) {
    std::optional<Refused> refused;
    if (TooMuch(origin, begun_before)) {
      refused = Refused{Refusal::kRetry, kTooMuch, {}};
    } else {
      DOAGENT_ASSIGN(refused, StoreBlock(block, origin));
    }
    const RangeSet sequences = SequencesOf(block);
    if (!refused) {
      outcome.stored.Add(sequences);
      continue;
    }
    for (const auto& range : sequences.ToVector()) {
      AddRefused(outcome.refused,
                 {range, refused->refusal, refused->detail, refused->missing_objects});
    }
  }
  return {};
}

Result<BatchOutcome> Inbox::Impl::StoreBatch(const IncomingBatch& batch, PendingOrigin& origin) {
  BatchOutcome outcome;
  if (batch.records.empty() && batch.blocks.empty()) return outcome;
  DOAGENT_ASSIGN(auto bad_objects, PutIncomingObjects(batch));
  if (bad_objects) {
    // Record by record: what lies between them may be another batch's.
    for (const auto& record : batch.records) {
      bad_objects->range = {record.sequence, record.sequence};
      AddRefused(outcome.refused, *bad_objects);
    }
    for (const auto& block : batch.blocks) {
      for (const auto& range : SequencesOf(block).ToVector()) {
        bad_objects->range = range;
        AddRefused(outcome.refused, *bad_objects);
      }
    }
    return outcome;
  }
  series_decoded_ = 0;
  DOAGENT_TRY(StoreRecords(batch, origin, outcome));
  DOAGENT_TRY(StoreBlocks(batch, origin, outcome));
  return outcome;
}

Result<void> Inbox::Impl::WriteOrigins(const Working& working) {
  for (const auto& [spool_id, pending] : working) {
    const OriginRow& row = pending.origin.row;
    DOAGENT_TRY(WriteStored(writer_->database(), row.number, pending.origin.stored, pending.added));
    for (const auto& start : pending.begun) {
      DOAGENT_TRY(PutIncarnation(writer_->database(), row.number, start));
    }
  }
  return {};
}

Result<std::vector<BatchOutcome>> Inbox::Impl::Store(const std::vector<IncomingBatch>& batches,
                                                     WallTime now) {
  Working working;
  std::vector<BatchOutcome> outcomes;
  outcomes.reserve(batches.size());
  DOAGENT_ASSIGN(Transaction transaction, writer_->Begin());
  for (const auto& batch : batches) {
    const auto found = origins_.find(batch.spool_id);
    DOAGENT_CHECK(found != origins_.end());  // Register comes first
    const auto entry =
        working.try_emplace(batch.spool_id, PendingOrigin{found->second, {}, {}, {}}).first;
    DOAGENT_ASSIGN(BatchOutcome outcome, StoreBatch(batch, entry->second));
    outcomes.push_back(std::move(outcome));
  }
  DOAGENT_TRY(WriteOrigins(working));
  DOAGENT_TRY(transaction.Commit());
  for (auto& [spool_id, pending] : working) {
    for (const Sequence sequence : pending.rows) {
      maintenance_->NoteRow(pending.origin.row.number, sequence, now);
    }
    origins_[spool_id] = std::move(pending.origin);
  }
  return outcomes;
}

Result<bool> Inbox::Impl::Maintain(WallTime now) {
  for (const auto& [spool_id, origin] : origins_) {
    if (!maintenance_->Due(origin.row.number, now)) continue;
    // What is between stored ranges may still come.
    DOAGENT_ASSIGN(const bool sealed,
                   maintenance_->Seal({origin.row.number, origin.stored, false}, now));
    if (sealed) return true;
  }
  DOAGENT_TRY(maintenance_->Sweep(std::nullopt));
  return false;
}

Inbox::Inbox(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Inbox::~Inbox() = default;

Result<std::unique_ptr<Inbox>> Inbox::Open(const InboxOptions& options) {
  DOAGENT_CHECK(options.random != nullptr);
  DOAGENT_TRY(RefuseOtherFiles(options.path));
  DOAGENT_ASSIGN(LockFile lock, LockFile::Acquire(options.path, options.program));
  DOAGENT_ASSIGN(auto writer, Writer::Open(options.path, Role::kReceiver));
  DOAGENT_ASSIGN(RunReader runs, RunReader::Prepare(writer->database()));
  DOAGENT_ASSIGN(auto maintenance, Maintenance::Prepare(*writer, options.seal));
  auto impl = std::make_unique<Impl>(std::move(lock), std::move(writer), std::move(runs),
                                     std::move(maintenance));
  DOAGENT_TRY(impl->Load(options));
  return std::unique_ptr<Inbox>(new Inbox(std::move(impl)));
}

const ReceiverId& Inbox::receiver_id() const {
  return impl_->receiver_id();
}
Result<StoredClaim> Inbox::Register(const Principal& principal, const Claim& claim) {
  return impl_->Register(principal, claim);
}
Result<std::vector<BatchOutcome>> Inbox::Store(const std::vector<IncomingBatch>& batches,
                                               WallTime now) {
  return impl_->Store(batches, now);
}
Result<bool> Inbox::Maintain(WallTime now) {
  return impl_->Maintain(now);
}

}  // namespace doagent::spool
