#include "spool/record_codec.h"

#include <utility>

#include "doagent/v1/storage.pb.h"
#include "spool/bits.h"
#include "spool/check.h"
#include "spool/codec.h"
#include "spool/digest.h"
#include "spool/utf8.h"

namespace doagent::spool {
namespace {

// A row has at most a bit and ten bytes a series, and what flipped.
constexpr std::size_t kRowDecodedBytesMax = kSeriesMax * 16;

tl::unexpected<Error> Malformed(const char* what) {
  return Fail(ErrorCode::kPark, "record", what);
}

std::int64_t ClockOffset(WallTime wall, MonoTime mono) {
  return UnixNanoseconds(wall) - BootNanoseconds(mono);
}

// The monotonic time that belongs to a wall time. Wrapping, since a forged record may say anything.
MonoTime MonoAt(std::int64_t wall_ns, std::int64_t offset_ns, std::int64_t drift_ns) {
  return FromBootNanoseconds(static_cast<std::int64_t>(static_cast<std::uint64_t>(wall_ns) -
                                                       static_cast<std::uint64_t>(offset_ns) -
                                                       static_cast<std::uint64_t>(drift_ns)));
}

bool IsInteger(ValueKind kind) {
  return kind == ValueKind::kSigned || kind == ValueKind::kUnsigned;
}

StoredRecord MakeRecord(Sequence sequence, std::int64_t time_unix_ns, RecordKind kind,
                        const ObjectId& key_set, const google::protobuf::MessageLite& message) {
  Packed packed = Pack(message.SerializeAsString());
  StoredRecord record{sequence,       time_unix_ns,           kind, packed.encoding, key_set,
                      /*checksum=*/0, std::move(packed.bytes)};
  record.checksum = ChecksumOf(record);
  return record;
}

// Adds a section's differences from its key to the row; base is the number of its first series.
void AddSection(const Section& section, const KeyValues& key, std::size_t base,
                std::size_t& last_flipped, v1::Row& row) {
  for (std::size_t i = 0; i < key.values.size(); ++i) {
    if (section.present[i] != key.present[i]) {
      row.add_flipped(static_cast<std::uint32_t>(base + i - last_flipped));
      last_flipped = base + i;
    }
    if (section.present[i] == 0 || section.values[i] == key.values[i]) continue;
    const ValueKind kind = key.schema->family_of(i).representation.kind;
    if (kind == ValueKind::kConstant) continue;
    SetBit(*row.mutable_changed(), base + i);
    if (IsInteger(kind)) {
      row.add_deltas(static_cast<std::int64_t>(section.values[i] - key.values[i]));
    } else {
      row.add_xors(section.values[i] ^ key.values[i]);
    }
  }
}

// Takes the row's values one after the other while the sections are filled.
class RowValues {
 public:
  explicit RowValues(const v1::Row& row) : row_(row) {}

  // The section's values: the key's with the row's differences. base as above.
  Result<Section> Take(const KeyValues& key, std::size_t base) {
    Section section{key.schema, key.values, key.present};
    for (std::size_t i = 0; i < key.values.size(); ++i) {
      if (!TestBit(row_.changed(), base + i)) continue;
      const ValueKind kind = key.schema->family_of(i).representation.kind;
      if (IsInteger(kind)) {
        if (deltas_ >= row_.deltas_size()) return Malformed("has too few deltas");
        section.values[i] += static_cast<std::uint64_t>(row_.deltas(deltas_++));
      } else if (kind == ValueKind::kDouble) {
        if (xors_ >= row_.xors_size()) return Malformed("has too few doubles");
        section.values[i] ^= row_.xors(xors_++);
      } else {
        return Malformed("changes a constant");
      }
    }
    return section;
  }

  bool AllTaken() const { return deltas_ == row_.deltas_size() && xors_ == row_.xors_size(); }

 private:
  const v1::Row& row_;
  int deltas_ = 0;
  int xors_ = 0;
};

Result<void> FlipPresence(const v1::Row& row, std::size_t series, std::vector<Section>& sections) {
  std::size_t number = 0;
  std::size_t base = 0;
  std::size_t section = 0;
  for (int i = 0; i < row.flipped_size(); ++i) {
    if (i > 0 && row.flipped(i) == 0) return Malformed("flips a series twice");
    number += row.flipped(i);
    if (number >= series) return Malformed("flips a series that there is not");
    while (number - base >= sections[section].present.size()) {
      base += sections[section++].present.size();
    }
    sections[section].present[number - base] ^= 1;
  }
  return {};
}

}  // namespace

RowEncoder::RowEncoder(Incarnation incarnation, int key_interval)
    : incarnation_(incarnation), key_interval_(key_interval) {
  DOAGENT_CHECK(incarnation != 0 && key_interval > 0);
}

bool RowEncoder::KeyFits(const State& state, const Snapshot& snapshot, std::size_t section) const {
  if (section >= state.keys.size()) return false;
  const auto& schema = state.keys[section]->values.schema;
  const auto& wanted = snapshot.sections[section].schema;
  return schema == wanted || *schema == *wanted;
}

void RowEncoder::MakeKeys(const Snapshot& snapshot, bool all, std::vector<StoredObject>& objects) {
  KeySetNames names{incarnation_, snapshot.boot_id, ClockOffset(snapshot.wall, snapshot.mono), {}};
  next_.keys.resize(snapshot.sections.size());
  for (std::size_t i = 0; i < snapshot.sections.size(); ++i) {
    const Section& section = snapshot.sections[i];
    const bool schema_known = KeyFits(state_, snapshot, i);
    if (all || !schema_known) {
      auto key = std::make_shared<Key>();
      key->values = {section.schema, section.values, section.present};
      for (std::size_t s = 0; s < section.values.size(); ++s) {
        if (section.present[s] == 0) key->values.values[s] = 0;
      }
      if (schema_known) {
        key->schema_id = state_.keys[i]->schema_id;
      } else {
        objects.push_back(EncodeSchema(*section.schema));
        key->schema_id = objects.back().id;
      }
      objects.push_back(EncodeKey(key->schema_id, key->values));
      key->id = objects.back().id;
      next_.keys[i] = std::move(key);
    }
    names.keys.push_back(next_.keys[i]->id);
  }
  objects.push_back(EncodeKeySet(names));
  next_.id = objects.back().id;
  next_.boot_id = names.boot_id;
  next_.clock_offset_ns = names.clock_offset_ns;
}

EncodedRow RowEncoder::Encode(const Snapshot& snapshot, Sequence sequence) {
  for (const auto& section : snapshot.sections) {
    DOAGENT_CHECK(section.schema != nullptr && section.values.size() == section.schema->size() &&
                  section.present.size() == section.schema->size());
  }
  next_ = state_;
  EncodedRow encoded;
  bool fits = state_.keys.size() == snapshot.sections.size() && state_.boot_id == snapshot.boot_id;
  for (std::size_t i = 0; fits && i < snapshot.sections.size(); ++i) {
    fits = KeyFits(state_, snapshot, i);
  }
  const bool all = state_.rows == 0 || state_.rows >= key_interval_;
  if (all || !fits) MakeKeys(snapshot, all, encoded.objects);
  if (all) next_.rows = 0;
  ++next_.rows;

  v1::Row row;
  row.set_clock_drift_ns(ClockOffset(snapshot.wall, snapshot.mono) - next_.clock_offset_ns);
  std::size_t base = 0;
  std::size_t last_flipped = 0;
  for (std::size_t i = 0; i < snapshot.sections.size(); ++i) {
    AddSection(snapshot.sections[i], next_.keys[i]->values, base, last_flipped, row);
    base += snapshot.sections[i].values.size();
  }
  encoded.record =
      MakeRecord(sequence, UnixNanoseconds(snapshot.wall), RecordKind::kRow, next_.id, row);
  return encoded;
}

void RowEncoder::Commit() {
  state_ = std::move(next_);
}

Result<Snapshot> DecodeRow(const StoredRecord& record, const KeySet& key_set) {
  DOAGENT_ASSIGN(const std::string content,
                 Unpack(record.encoding, record.payload, kRowDecodedBytesMax));
  v1::Row row;
  if (!row.ParseFromString(content)) return Malformed("not a Row message");
  Snapshot snapshot;
  snapshot.wall = FromUnixNanoseconds(record.time_unix_ns);
  snapshot.mono = MonoAt(record.time_unix_ns, key_set.clock_offset_ns, row.clock_drift_ns());
  snapshot.boot_id = key_set.boot_id;
  snapshot.sections.reserve(key_set.keys.size());
  RowValues values(row);
  std::size_t base = 0;
  for (const auto& key : key_set.keys) {
    DOAGENT_ASSIGN(Section section, values.Take(key, base));
    snapshot.sections.push_back(std::move(section));
    base += key.values.size();
  }
  if (!values.AllTaken()) return Malformed("has more values than changes");
  DOAGENT_TRY(FlipPresence(row, key_set.series, snapshot.sections));
  // What is absent has no value, whatever its key had.
  for (auto& section : snapshot.sections) {
    for (std::size_t i = 0; i < section.values.size(); ++i) {
      if (section.present[i] == 0) section.values[i] = 0;
    }
  }
  return snapshot;
}

StoredRecord EncodeEvent(const Event& event, Incarnation incarnation, Sequence sequence) {
  v1::Event message;
  message.set_kind(static_cast<v1::EventKind>(event.kind));
  message.set_incarnation(incarnation);
  message.set_boot_id(std::string(event.boot_id.bytes()));
  message.set_clock_offset_ns(ClockOffset(event.wall, event.mono));
  message.set_reason(ValidUtf8(event.reason, kLabelBytesMax));
  if (!event.spool_id.IsZero()) message.set_spool_id(std::string(event.spool_id.bytes()));
  for (const auto& range : event.ranges) {
    auto* out = message.add_ranges();
    out->set_first(range.first);
    out->set_last(range.last);
  }
  message.set_count(event.count);
  return MakeRecord(sequence, UnixNanoseconds(event.wall), RecordKind::kEvent, ObjectId(), message);
}

Result<DecodedEvent> DecodeEvent(const StoredRecord& record) {
  DOAGENT_ASSIGN(const std::string content,
                 Unpack(record.encoding, record.payload, kRowDecodedBytesMax));
  v1::Event message;
  if (!message.ParseFromString(content)) return Malformed("not an Event message");
  const auto boot_id = BootId::FromBytes(message.boot_id());
  if (!v1::EventKind_IsValid(message.kind()) || message.kind() == v1::EVENT_KIND_UNSPECIFIED ||
      !boot_id || message.incarnation() == 0 || message.reason().size() > kLabelBytesMax) {
    return Malformed("an event without a known kind, boot id or incarnation");
  }
  DecodedEvent decoded;
  decoded.incarnation = message.incarnation();
  Event& event = decoded.event;
  event.kind = static_cast<EventKind>(message.kind());
  event.wall = FromUnixNanoseconds(record.time_unix_ns);
  event.mono = MonoAt(record.time_unix_ns, message.clock_offset_ns(), 0);
  event.boot_id = *boot_id;
  event.reason = message.reason();
  event.count = message.count();
  if (!message.spool_id().empty()) {
    const auto spool_id = SpoolId::FromBytes(message.spool_id());
    if (!spool_id) return Malformed("an event with half a spool id");
    event.spool_id = *spool_id;
  }
  for (const auto& range : message.ranges()) {
    if (range.first() == 0 || range.first() > range.last() || range.last() > kSequenceMax) {
      return Malformed("an event with an impossible range");
    }
    event.ranges.push_back({range.first(), range.last()});
  }
  return decoded;
}

Result<void> VerifyChecksum(const StoredRecord& record) {
  if (ChecksumOf(record) == record.checksum) return {};
  return Fail(ErrorCode::kSalvage, "record " + std::to_string(record.sequence),
              "its checksum does not fit its content");
}

}  // namespace doagent::spool
