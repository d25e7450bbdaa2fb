// What becomes of a batch: every record and block is checked, compared with what is stored, and
// stored or refused.

#include <algorithm>
#include <utility>

#include "spool/history.h"
#include "spool/inbox_impl.h"
#include "spool/object_codec.h"

namespace doagent::spool {
namespace {

// What one batch may cost whoever waits behind it: some seconds at most. What is beyond is refused
// for now, and comes again in a batch of its own.
constexpr std::size_t kBatchIncarnationsMax = 1000;
constexpr std::size_t kBatchSeriesMax = 50'000'000;  // decoded, of all rows together

Refusal RefusalFor(const Error& error) {
  const bool passing = error.code == ErrorCode::kRetry || error.code == ErrorCode::kBusy ||
                       error.code == ErrorCode::kEvict;
  return passing ? Refusal::kRetry : Refusal::kPermanent;
}

// After such an error the transaction may be gone: nothing more is to be written in it.
bool IsOfDisk(const Error& error) {
  return error.code != ErrorCode::kPark && error.code != ErrorCode::kRefuse;
}

RefusedRange RefuseOne(const StoredRecord& record, Refusal refusal, std::string detail) {
  return {{record.sequence, record.sequence}, refusal, std::move(detail), {}};
}

constexpr const char* kTooMuch = "too much for one batch";
constexpr const char* kOtherOpening = "another opening of the spool wrote the sequences around it";

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
  if (!key && IsOfDisk(key.error())) return Fail(key.error());
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
  if (!layouts && IsOfDisk(layouts.error())) return Fail(layouts.error());
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
      if (!row && IsOfDisk(row.error())) return Fail(row.error());
      if (!row) continue;
      if (!visit(record.sequence, record.kind == RecordKind::kRow ? &row->snapshot : nullptr)) {
        return false;
      }
    }
    if (!run->block) continue;
    const auto block = decoder_.Block(*run->block);
    if (!block && IsOfDisk(block.error())) return Fail(block.error());
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
  // What cannot be read is no other history.
  DOAGENT_ASSIGN(Validated validated, Validate(record));
  if (validated.refused) return std::move(validated.refused);
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
  const auto same = [&](Sequence sequence, const Snapshot* stored) {
    const auto found = std::lower_bound(sequences.begin(), sequences.end(), sequence);
    const auto i = static_cast<std::size_t>(found - sequences.begin());
    return stored != nullptr && SameContent(*stored, block.At(i));
  };
  RangeSet own;
  for (const Sequence sequence : sequences) own.Add({sequence, sequence});
  // Only what both have: the range of a block may be far longer than what is in it.
  for (const auto& range : own.ToVector()) {
    for (const auto& both : origin.origin.stored.Within(range)) {
      DOAGENT_ASSIGN(const bool agrees, VisitStored(origin.origin.row.number, both, same));
      if (!agrees) return false;
    }
  }
  return true;
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
  auto incarnations = origin.row.incarnations;
  const std::size_t begun = pending.begun.size();
  if (!NoteIncarnations(decoded->incarnation(), added, pending)) {
    return Refused{Refusal::kEpochConflict, kOtherOpening, {}};
  }
  auto merged = maintenance_->sealer().Merge(origin.row.number, block, *decoded);
  if (!merged && merged.error().code == ErrorCode::kPark) {
    // Once that is set aside, the block can be stored.
    scrubber_->LookAt(origin.row.number, block.range.first);
    origin.row.incarnations = std::move(incarnations);
    pending.begun.resize(begun);
    return Refused{Refusal::kRetry, "what is stored beside it is damaged", {}};
  }
  DOAGENT_TRY(merged);
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

}  // namespace doagent::spool
