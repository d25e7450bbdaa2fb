#include "tests/support/fake_receiver.h"

#include <algorithm>
#include <string>

#include "spool/check.h"
#include "spool/object_codec.h"
#include "spool/record_codec.h"

namespace doagent::test {
namespace {

using uploader::Refused;
using uploader::RefuseReason;
using uploader::TransportEvent;

Incarnation IncarnationAt(const spool::Claim& claim, Sequence sequence) {
  Incarnation incarnation = 0;
  for (const auto& start : claim.incarnations) {
    if (start.first_sequence <= sequence) incarnation = start.incarnation;
  }
  return incarnation;
}

Refused Refuse(const SpoolId& spool_id, spool::RangeSet ranges, RefuseReason reason,
               std::string detail) {
  Refused refused;
  refused.spool_id = spool_id;
  refused.ranges = std::move(ranges);
  refused.reason = reason;
  refused.detail = std::move(detail);
  return refused;
}

}  // namespace

FakeReceiver::FakeReceiver(std::uint64_t id) {
  Become(id);
}

void FakeReceiver::Become(std::uint64_t id) {
  const std::uint64_t halves[2] = {id, 0};
  id_ = *ReceiverId::FromBytes({reinterpret_cast<const char*>(halves), sizeof halves});
  storage = Storage();
}

bool FakeReceiver::InConflict(const spool::Claim& claim) const {
  const auto origin = storage.origins.find(claim.spool_id);
  if (origin == storage.origins.end()) return false;
  const auto& records = origin->second.records;
  return std::any_of(records.begin(), records.end(), [&claim](const auto& record) {
    return record.first <= claim.head &&
           record.second.incarnation != IncarnationAt(claim, record.first);
  });
}

uploader::Welcome FakeReceiver::Register(const std::vector<spool::Claim>& claims) {
  claims_ = claims;
  uploader::Welcome welcome;
  welcome.receiver = id_;
  welcome.receiver_name = "fake";
  welcome.window_bytes = window_bytes;
  welcome.batch_bytes_max = batch_bytes_max;
  welcome.interval = interval;
  for (const auto& claim : claims) {
    if (conflict_in_everything || (reports_conflicts && InConflict(claim))) {
      welcome.conflicts.push_back(claim.spool_id);
    }
    const auto& all = storage.origins[claim.spool_id].sequences;
    const spool::RangeSet stored(all.Within({claim.first_pending, spool::kSequenceMax}));
    if (!stored.empty()) welcome.stored.push_back({claim.spool_id, stored});
  }
  return welcome;
}

std::vector<ObjectId> FakeReceiver::Missing(const uploader::OutgoingBatch& batch) const {
  auto there = storage.objects;
  std::vector<ObjectId> missing;
  const auto need = [&](const ObjectId& id) {
    if (!there.contains(id)) missing.push_back(id);
  };
  for (const auto& object : batch.objects) {
    const auto content = spool::OpenObject(object);
    DOAGENT_CHECK(content.has_value());
    const auto dependencies = spool::Dependencies(object.kind, *content);
    DOAGENT_CHECK(dependencies.has_value());
    for (const auto& dependency : *dependencies) need(dependency);
    there.insert(object.id);
  }
  for (const auto& record : batch.records) {
    if (!record.key.IsZero()) need(record.key);
  }
  return missing;
}

std::vector<TransportEvent> FakeReceiver::Store(uploader::OutgoingBatch batch) {
  ++batches;
  records_received += batch.records.size();
  objects_received += batch.objects.size();
  const auto sequences = spool::SequencesOf(batch.records);
  if (refuse_for_now) {
    auto refused = Refuse(batch.spool_id, sequences, RefuseReason::kRetry, "busy");
    refused.retry_after = *refuse_for_now;
    return {refused};
  }
  const auto missing = Missing(batch);
  if (!missing.empty() || always_misses_objects) {
    auto refused = Refuse(batch.spool_id, sequences, RefuseReason::kMissingObject, "what is it");
    if (name_missing_objects) refused.missing_objects = missing;
    return {refused};
  }
  std::vector<TransportEvent> answers;
  if (poisonous != nullptr) {
    spool::RangeSet poison;
    for (const auto& record : batch.records) {
      if (poisonous(batch.spool_id, record)) poison.Add({record.sequence, record.sequence});
    }
    if (!poison.empty()) {
      answers.emplace_back(Refuse(batch.spool_id, refuse_exactly ? poison : sequences,
                                  RefuseReason::kPermanent, "poison"));
      if (!refuse_exactly) return answers;
      std::erase_if(batch.records,
                    [&](const auto& record) { return poisonous(batch.spool_id, record); });
    }
  }
  for (auto& answer : StoreRecords(batch)) answers.push_back(std::move(answer));
  return answers;
}

std::vector<TransportEvent> FakeReceiver::StoreRecords(const uploader::OutgoingBatch& batch) {
  for (const auto& object : batch.objects) storage.objects.insert(object.id);
  const auto claim = std::find_if(claims_.begin(), claims_.end(), [&](const auto& candidate) {
    return candidate.spool_id == batch.spool_id;
  });
  DOAGENT_CHECK(claim != claims_.end());  // only what was claimed may be sent
  auto& origin = storage.origins[batch.spool_id];
  spool::RangeSet accepted;
  spool::RangeSet conflicting;
  for (const auto& record : batch.records) {
    DOAGENT_CHECK(spool::VerifyChecksum(record).has_value());
    const auto [entry, inserted] = origin.records.try_emplace(
        record.sequence, Stored{record.checksum, IncarnationAt(*claim, record.sequence)});
    if (inserted) {
      origin.sequences.Add({record.sequence, record.sequence});
      stored_order.emplace_back(batch.spool_id, record.sequence);
    } else {
      ++records_stored_before;
    }
    auto& ranges = entry->second.checksum == record.checksum ? accepted : conflicting;
    ranges.Add({record.sequence, record.sequence});
  }
  auto answers = AckInParts(batch.spool_id, accepted);
  if (!conflicting.empty()) {
    answers.emplace_back(Refuse(batch.spool_id, conflicting, RefuseReason::kEpochConflict,
                                "another record has this number"));
  }
  return answers;
}

std::vector<TransportEvent> FakeReceiver::AckInParts(const SpoolId& spool_id,
                                                     const spool::RangeSet& stored) const {
  std::vector<TransportEvent> answers;
  if (stored.empty()) return answers;
  std::vector<spool::RangeSet> parts(acks_per_batch);
  std::size_t next = 0;
  for (const auto& range : stored.ToVector()) {
    for (Sequence sequence = range.first; sequence <= range.last; ++sequence) {
      parts[next++ % parts.size()].Add({sequence, sequence});
    }
  }
  for (const auto& part : parts) {
    if (!part.empty()) answers.emplace_back(uploader::Ack{spool_id, part});
  }
  return answers;
}

bool FakeReceiver::Has(const SpoolId& spool_id, Sequence sequence) const {
  const auto origin = storage.origins.find(spool_id);
  return origin != storage.origins.end() && origin->second.records.contains(sequence);
}

std::uint64_t FakeReceiver::record_count() const {
  std::uint64_t count = 0;
  for (const auto& [spool_id, origin] : storage.origins) count += origin.records.size();
  return count;
}

}  // namespace doagent::test
