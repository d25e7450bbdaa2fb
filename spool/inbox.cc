#include "spool/inbox.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "spool/catalog.h"
#include "spool/check.h"
#include "spool/history.h"
#include "spool/layout.h"
#include "spool/lock_file.h"
#include "spool/object_codec.h"
#include "spool/origin_table.h"
#include "spool/range_table.h"
#include "spool/record_codec.h"
#include "spool/record_table.h"
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
  Impl(LockFile lock, std::unique_ptr<Writer> writer, RecordReader records)
      : lock_(std::move(lock)),
        writer_(std::move(writer)),
        records_(std::move(records)),
        catalog_(writer_->objects()) {}

  Result<void> Load(const InboxOptions& options);
  const ReceiverId& receiver_id() const { return receiver_id_; }
  Result<StoredClaim> Register(const Principal& principal, const Claim& claim);
  Result<std::vector<BatchOutcome>> Store(const std::vector<IncomingBatch>& batches);

 private:
  using Working = std::map<SpoolId, PendingOrigin>;

  Result<void> PutClaim(const Principal& principal, const Claim& claim);
  Result<BatchOutcome> StoreBatch(const IncomingBatch& batch, PendingOrigin& origin);
  // What is wrong with the objects, if anything: what there is in the table is whole, so that every
  // object's dependencies are there.
  Result<std::optional<RefusedRange>> PutIncomingObjects(const IncomingBatch& batch);
  // Stores the record, or says why not; an error is the database's.
  Result<std::optional<RefusedRange>> StoreRecord(const StoredRecord& record,
                                                  PendingOrigin& origin);
  Result<std::optional<RefusedRange>> CompareWithStored(const StoredRecord& record,
                                                        const PendingOrigin& origin);
  struct Validated {
    Incarnation incarnation = 0;
    std::optional<std::int64_t> key_set;
    std::optional<RefusedRange> refused;
  };
  Result<Validated> Validate(const StoredRecord& record);
  Result<void> WriteOrigins(const Working& working);

  LockFile lock_;
  std::unique_ptr<Writer> writer_;
  RecordReader records_;
  Catalog catalog_;
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
  DOAGENT_ASSIGN(validated.key_set, writer_->objects().Find(record.key_set));
  if (!validated.key_set) {
    refuse(Refusal::kMissingObject, "a key set is missing");
    validated.refused->missing_objects = {record.key_set};
    return validated;
  }
  const auto key_set = catalog_.FindKeySet(record.key_set);
  if (!key_set) return refuse(RefusalFor(key_set.error()), key_set.error().Message());
  series_decoded_ += (*key_set)->series;
  const auto snapshot = DecodeRow(record, **key_set);
  if (!snapshot) return refuse(Refusal::kPermanent, snapshot.error().Message());
  validated.incarnation = (*key_set)->incarnation;
  return validated;
}

Result<std::optional<RefusedRange>> Inbox::Impl::CompareWithStored(const StoredRecord& record,
                                                                   const PendingOrigin& origin) {
  DOAGENT_ASSIGN(const auto stored, records_.Read(origin.origin.row.number, record.sequence,
                                                  record.sequence, ReadLimits()));
  // Stored once and removed since: it was acknowledged then, and is now.
  if (stored.empty() || stored.front().checksum == record.checksum) return std::nullopt;
  return RefuseOne(record, Refusal::kEpochConflict,
                   "another record is stored under this sequence already");
}

Result<std::optional<RefusedRange>> Inbox::Impl::StoreRecord(const StoredRecord& record,
                                                             PendingOrigin& pending) {
  InboxOrigin& origin = pending.origin;
  if (origin.stored.Contains(record.sequence)) return CompareWithStored(record, pending);
  DOAGENT_ASSIGN(Validated validated, Validate(record));
  if (validated.refused) return std::move(validated.refused);

  const bool known_conflict = origin.conflicting.count(validated.incarnation) != 0;
  const Noted noted = known_conflict ? Noted::kConflict
                                     : NoteIncarnation(origin.row.incarnations, origin.stored,
                                                       validated.incarnation, record.sequence);
  if (noted == Noted::kConflict) {
    origin.conflicting.insert(validated.incarnation);
    return RefuseOne(record, Refusal::kEpochConflict,
                     "another opening of the spool wrote the sequences around it");
  }
  if (noted == Noted::kNew) pending.begun.push_back({validated.incarnation, record.sequence});
  DOAGENT_TRY(writer_->InsertRecord(origin.row.number, record, validated.key_set));
  origin.stored.Add({record.sequence, record.sequence});
  pending.added.Add({record.sequence, record.sequence});
  return std::nullopt;
}

Result<BatchOutcome> Inbox::Impl::StoreBatch(const IncomingBatch& batch, PendingOrigin& origin) {
  BatchOutcome outcome;
  if (batch.records.empty()) return outcome;
  DOAGENT_ASSIGN(auto bad_objects, PutIncomingObjects(batch));
  if (bad_objects) {
    // Record by record: what lies between them may be another batch's.
    for (const auto& record : batch.records) {
      bad_objects->range = {record.sequence, record.sequence};
      AddRefused(outcome.refused, *bad_objects);
    }
    return outcome;
  }
  const std::size_t begun_max = origin.begun.size() + kBatchIncarnationsMax;
  series_decoded_ = 0;
  for (const auto& record : batch.records) {
    if (origin.begun.size() >= begun_max || series_decoded_ >= kBatchSeriesMax) {
      AddRefused(outcome.refused, RefuseOne(record, Refusal::kRetry, "too much for one batch"));
      continue;
    }
    DOAGENT_ASSIGN(auto refused, StoreRecord(record, origin));
    if (refused) {
      AddRefused(outcome.refused, *std::move(refused));
    } else {
      outcome.stored.Add({record.sequence, record.sequence});
    }
  }
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

Result<std::vector<BatchOutcome>> Inbox::Impl::Store(const std::vector<IncomingBatch>& batches) {
  Working working;
  std::vector<BatchOutcome> outcomes;
  outcomes.reserve(batches.size());
  DOAGENT_ASSIGN(Transaction transaction, writer_->Begin());
  for (const auto& batch : batches) {
    const auto found = origins_.find(batch.spool_id);
    DOAGENT_CHECK(found != origins_.end());  // Register comes first
    const auto entry =
        working.try_emplace(batch.spool_id, PendingOrigin{found->second, {}, {}}).first;
    DOAGENT_ASSIGN(BatchOutcome outcome, StoreBatch(batch, entry->second));
    outcomes.push_back(std::move(outcome));
  }
  DOAGENT_TRY(WriteOrigins(working));
  DOAGENT_TRY(transaction.Commit());
  for (auto& [spool_id, pending] : working) origins_[spool_id] = std::move(pending.origin);
  return outcomes;
}

Inbox::Inbox(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Inbox::~Inbox() = default;

Result<std::unique_ptr<Inbox>> Inbox::Open(const InboxOptions& options) {
  DOAGENT_CHECK(options.random != nullptr);
  DOAGENT_TRY(RefuseOtherFiles(options.path));
  DOAGENT_ASSIGN(LockFile lock, LockFile::Acquire(options.path, options.program));
  DOAGENT_ASSIGN(auto writer, Writer::Open(options.path, Role::kReceiver));
  DOAGENT_ASSIGN(RecordReader records, RecordReader::Prepare(writer->database()));
  auto impl = std::make_unique<Impl>(std::move(lock), std::move(writer), std::move(records));
  DOAGENT_TRY(impl->Load(options));
  return std::unique_ptr<Inbox>(new Inbox(std::move(impl)));
}

const ReceiverId& Inbox::receiver_id() const {
  return impl_->receiver_id();
}
Result<StoredClaim> Inbox::Register(const Principal& principal, const Claim& claim) {
  return impl_->Register(principal, claim);
}
Result<std::vector<BatchOutcome>> Inbox::Store(const std::vector<IncomingBatch>& batches) {
  return impl_->Store(batches);
}

}  // namespace doagent::spool
