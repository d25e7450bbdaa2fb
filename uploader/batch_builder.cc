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

std::vector<ObjectId> KeySetsOf(const std::vector<spool::StoredRecord>& records,
                                ObjectChoice choice, const SentObjects& sent) {
  std::vector<ObjectId> ids;
  std::unordered_set<ObjectId, ObjectId::Hash> seen;
  for (const auto& record : records) {
    if (record.key_set.IsZero() || !seen.insert(record.key_set).second) continue;
    if (choice == ObjectChoice::kUnsent && sent.Contains(record.key_set)) continue;
    ids.push_back(record.key_set);
  }
  return ids;
}

Result<std::vector<spool::StoredObject>> ObjectsOf(spool::Spool& spool,
                                                   const std::vector<spool::StoredRecord>& records,
                                                   ObjectChoice choice, const SentObjects& sent) {
  const auto key_sets = KeySetsOf(records, choice, sent);
  if (key_sets.empty()) return std::vector<spool::StoredObject>();
  auto objects = spool.Objects(key_sets);
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

std::size_t BytesOf(const std::vector<spool::StoredRecord>& records,
                    const std::vector<spool::StoredObject>& objects) {
  std::size_t bytes = 0;
  for (const auto& record : records) bytes += record.bytes();
  for (const auto& object : objects) bytes += BytesOf(object);
  return bytes;
}

}  // namespace

Result<BuiltBatch> BuildBatch(spool::Spool& spool, const SpoolId& spool_id,
                              std::vector<spool::StoredRecord> records, ObjectChoice choice,
                              const SentObjects& sent, std::size_t bytes_max) {
  DOAGENT_CHECK(!records.empty());
  for (;;) {
    DOAGENT_ASSIGN(auto objects, ObjectsOf(spool, records, choice, sent));
    const std::size_t bytes = BytesOf(records, objects);
    if (bytes > bytes_max && records.size() > 1) {
      // Fewer records need fewer objects, by an amount that only asking tells. A little less than
      // the share that fits, so that one more round is mostly enough.
      const auto share = static_cast<double>(bytes_max) / static_cast<double>(bytes) * 0.9;
      const auto keep = static_cast<std::size_t>(static_cast<double>(records.size()) * share);
      records.resize(std::clamp<std::size_t>(keep, 1, records.size() - 1));
      continue;
    }
    if (records.size() == 1 && bytes > kBatchBytesMax) {
      return Fail(ErrorCode::kPark, "record " + std::to_string(records.front().sequence),
                  "with the objects it needs it has " + std::to_string(bytes) +
                      " bytes, more than the " + std::to_string(kBatchBytesMax) +
                      " that a batch may have");
    }
    BuiltBatch built;
    built.bytes = bytes;
    built.objects.reserve(objects.size());
    for (const auto& object : objects) built.objects.push_back(object.id);
    built.batch = {
        .spool_id = spool_id, .objects = std::move(objects), .records = std::move(records)};
    return built;
  }
}

}  // namespace doagent::uploader
