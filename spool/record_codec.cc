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
                        const ObjectId& key, const google::protobuf::MessageLite& message) {
  Packed packed = Pack(message.SerializeAsString());
  StoredRecord record{sequence,       time_unix_ns,           kind, packed.encoding, key,
                      /*checksum=*/0, std::move(packed.bytes)};
  record.checksum = ChecksumOf(record);
  return record;
}

// Collects a snapshot's differences from its key, series by series.
class RowBuilder {
 public:
  RowBuilder(const Key& key, std::vector<std::uint32_t>& changed) : key_(key), changed_(changed) {
    changed_.clear();
  }

  void Add(const Section& section) {
    for (std::size_t i = 0; i < section.values.size(); ++i, ++number_) {
      if (section.present[i] != key_.present[number_]) {
        row_.add_flipped(static_cast<std::uint32_t>(number_ - last_flipped_));
        last_flipped_ = number_;
      }
      const ValueKind kind = section.schema->family_of(i).representation.kind;
      const bool differs = section.present[i] != 0 && section.values[i] != key_.values[number_] &&
                           kind != ValueKind::kConstant;
      if (differs != TestBit(key_.expected, number_)) SetBit(*row_.mutable_surprising(), number_);
      if (differs) AddDifference(section.values[i], kind);
    }
  }

  v1::Row& row() { return row_; }

 private:
  void AddDifference(std::uint64_t value, ValueKind kind) {
    changed_.push_back(static_cast<std::uint32_t>(number_));
    if (IsInteger(kind)) {
      row_.add_deltas(static_cast<std::int64_t>(value - key_.values[number_]));
    } else {
      row_.add_xors(value ^ key_.values[number_]);
    }
  }

  const Key& key_;
  std::vector<std::uint32_t>& changed_;
  v1::Row row_;
  std::size_t number_ = 0;  // of the series, through all sections
  std::size_t last_flipped_ = 0;
};

// Takes the row's values one after the other while the sections are filled.
class RowValues {
 public:
  RowValues(const v1::Row& row, const Key& key) : row_(row), key_(key) {}

  // The next section's values: the key's with the row's differences.
  Result<Section> Take(const SchemaPtr& schema) {
    const auto begin = static_cast<std::ptrdiff_t>(number_);
    const auto end = begin + static_cast<std::ptrdiff_t>(schema->size());
    Section section{schema,
                    {key_.values.begin() + begin, key_.values.begin() + end},
                    {key_.present.begin() + begin, key_.present.begin() + end}};
    for (std::size_t i = 0; i < schema->size(); ++i, ++number_) {
      const bool surprising = TestBit(row_.surprising(), number_);
      if (surprising == TestBit(key_.expected, number_)) continue;
      const ValueKind kind = schema->family_of(i).representation.kind;
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
  const Key& key_;
  std::size_t number_ = 0;  // of the series, through all sections
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

bool RowEncoder::NeedsKey(const Snapshot& snapshot, const Layout& layout) const {
  return run_.key == nullptr || run_.rows >= key_interval_ || run_.key->layout->id != layout.id ||
         run_.key->boot_id != snapshot.boot_id;
}

void RowEncoder::MakeKey(const Snapshot& snapshot, const LayoutFinder::Found& found,
                         std::vector<StoredObject>& objects) {
  Key key{incarnation_,
          snapshot.boot_id,
          ClockOffset(snapshot.wall, snapshot.mono),
          found.layout,
          {},
          {},
          {}};
  for (const Section& section : snapshot.sections) {
    for (std::size_t i = 0; i < section.values.size(); ++i) {
      key.values.push_back(section.present[i] != 0 ? section.values[i] : 0);
      key.present.push_back(section.present[i]);
    }
  }
  const Layout* known = run_.key == nullptr ? nullptr : run_.key->layout.get();
  if (known != nullptr && known->id == found.layout->id) {
    // What changed in most rows of the last run will do so in the next one.
    for (std::size_t i = 0; i < run_.changes.size(); ++i) {
      if (run_.changes[i] * 2 > run_.rows) SetBit(key.expected, i);
    }
  } else {
    for (std::size_t i = 0; i < found.layout->schemas.size(); ++i) {
      const bool there = known != nullptr && i < known->schema_ids.size() &&
                         known->schema_ids[i] == found.layout->schema_ids[i];
      if (!there) objects.push_back(EncodeSchema(*found.layout->schemas[i]));
    }
    objects.push_back(found.object);
  }
  objects.push_back(EncodeKey(key));
  next_run_.emplace();
  next_run_->key_id = objects.back().id;
  next_run_->changes.assign(key.values.size(), 0);
  next_run_->key = std::make_shared<const Key>(std::move(key));
}

EncodedRow RowEncoder::Encode(const Snapshot& snapshot, Sequence sequence) {
  for (const auto& section : snapshot.sections) {
    DOAGENT_CHECK(section.schema != nullptr && section.values.size() == section.schema->size() &&
                  section.present.size() == section.schema->size());
  }
  next_run_.reset();
  EncodedRow encoded;
  const LayoutFinder::Found found = layouts_.Find(snapshot);
  if (NeedsKey(snapshot, *found.layout)) MakeKey(snapshot, found, encoded.objects);
  const RowRun& run = next_run_ ? *next_run_ : run_;

  RowBuilder builder(*run.key, changed_);
  builder.row().set_clock_drift_ns(ClockOffset(snapshot.wall, snapshot.mono) -
                                   run.key->clock_offset_ns);
  for (const Section& section : snapshot.sections) builder.Add(section);
  encoded.record = MakeRecord(sequence, UnixNanoseconds(snapshot.wall), RecordKind::kRow,
                              run.key_id, builder.row());
  return encoded;
}

void RowEncoder::Commit() {
  if (next_run_) run_ = *std::exchange(next_run_, std::nullopt);
  ++run_.rows;
  for (const std::uint32_t series : changed_) ++run_.changes[series];
}

Result<Snapshot> DecodeRow(const StoredRecord& record, const Key& key) {
  DOAGENT_ASSIGN(const std::string content,
                 Unpack(record.encoding, record.payload, kRowDecodedBytesMax));
  v1::Row row;
  if (!row.ParseFromString(content)) return Malformed("not a Row message");
  Snapshot snapshot;
  snapshot.wall = FromUnixNanoseconds(record.time_unix_ns);
  snapshot.mono = MonoAt(record.time_unix_ns, key.clock_offset_ns, row.clock_drift_ns());
  snapshot.boot_id = key.boot_id;
  snapshot.sections.reserve(key.layout->schemas.size());
  RowValues values(row, key);
  for (const SchemaPtr& schema : key.layout->schemas) {
    DOAGENT_ASSIGN(Section section, values.Take(schema));
    snapshot.sections.push_back(std::move(section));
  }
  if (!values.AllTaken()) return Malformed("has more values than changes");
  DOAGENT_TRY(FlipPresence(row, key.layout->series, snapshot.sections));
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
  return Fail(ErrorCode::kPark, "record " + std::to_string(record.sequence),
              "its checksum does not fit its content");
}

}  // namespace doagent::spool
