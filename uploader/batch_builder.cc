#include "uploader/batch_builder.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>

#include "spool/check.h"
#include "uploader/wire.h"

namespace doagent::uploader {
namespace {

// On the wire an object costs its payload, its id and a few bytes of framing.
std::size_t BytesOf(const spool::StoredObject& object) {
  return object.payload.size() + 40;
}

// The ids that what is pending names itself.
std::vector<ObjectId> NamesOf(const spool::PendingRecords& pending, ObjectChoice choice,
                              const SentObjects& sent) {
  std::vector<ObjectId> ids;
  std::unordered_set<ObjectId, ObjectId::Hash> seen;
  const auto add = [&](const ObjectId& id) {
    if (id.IsZero() || !seen.insert(id).second) return;
    if (choice == ObjectChoice::kUnsent && sent.Contains(id)) return;
    ids.push_back(id);
  };
  for (const auto& record : pending.records) add(record.key);
  if (pending.block)
    std::for_each(pending.block->layouts.begin(), pending.block->layouts.end(), add);
  return ids;
}

Result<std::vector<spool::StoredObject>> ObjectsOf(spool::Spool& spool,
                                                   const spool::PendingRecords& pending,
                                                   ObjectChoice choice, const SentObjects& sent) {
  const auto names = NamesOf(pending, choice, sent);
  if (names.empty()) return std::vector<spool::StoredObject>();
  auto objects = spool.Objects(names);
  if (!objects.has_value()) {
    // Damaged objects stay damaged: the records that need them have to be set aside.
    auto error = std::move(objects).error();
    if (error.code == ErrorCode::kSalvage) error.code = ErrorCode::kPark;
    return Fail(std::move(error));
  }
  if (choice == ObjectChoice::kUnsent) {
    std::erase_if(*objects, [&sent](const auto& object) { return sent.Contains(object.id); });
  }
  return objects;
}

std::size_t BytesOf(const spool::PendingRecords& pending,
                    const std::vector<spool::StoredObject>& objects) {
  std::size_t bytes = pending.block ? pending.block->bytes() : 0;
  for (const auto& record : pending.records) bytes += record.bytes();
  for (const auto& object : objects) bytes += BytesOf(object);
  return bytes;
}

std::string NameOf(const spool::PendingRecords& pending) {
  if (!pending.block) return "record " + std::to_string(pending.records.front().sequence);
  const auto [first, last] = pending.block->range;
  return "block " + std::to_string(first) + "-" + std::to_string(last);
}

}  // namespace

spool::RangeSet SequencesOf(const spool::PendingRecords& pending) {
  return pending.block ? spool::SequencesOf(*pending.block) : spool::SequencesOf(pending.records);
}

Result<BuiltBatch> BuildBatch(spool::Spool& spool, spool::PendingRecords pending,
                              ObjectChoice choice, const SentObjects& sent, std::size_t bytes_max) {
  DOAGENT_CHECK(!pending.empty());
  auto& records = pending.records;
  for (;;) {
    DOAGENT_ASSIGN(auto objects, ObjectsOf(spool, pending, choice, sent));
    const std::size_t bytes = BytesOf(pending, objects);
    if (bytes > bytes_max && records.size() > 1) {
      // Fewer records need fewer objects, by an amount that only asking tells. A little less than
      // the share that fits, so that one more round is mostly enough.
      const auto share = static_cast<double>(bytes_max) / static_cast<double>(bytes) * 0.9;
      const auto keep = static_cast<std::size_t>(static_cast<double>(records.size()) * share);
      records.resize(std::clamp<std::size_t>(keep, 1, records.size() - 1));
      continue;
    }
    if (records.size() <= 1 && bytes > kBatchBytesMax) {
      return Fail(ErrorCode::kPark, NameOf(pending),
                  "with the objects it needs it has " + std::to_string(bytes) +
                      " bytes, more than the " + std::to_string(kBatchBytesMax) +
                      " that a batch may have");
    }
    BuiltBatch built;
    built.bytes = bytes;
    built.objects.reserve(objects.size());
    for (const auto& object : objects) built.objects.push_back(object.id);
    built.sequences = SequencesOf(pending);
    built.batch.spool_id = pending.spool_id;
    built.batch.objects = std::move(objects);
    built.batch.records = std::move(pending.records);
    if (pending.block) built.batch.blocks.push_back(*std::move(pending.block));
    return built;
  }
}

}  // namespace doagent::uploader
