#include "spool/object_codec.h"

#include <utility>

#include "doagent/v1/storage.pb.h"
#include "spool/bits.h"
#include "spool/check.h"
#include "spool/codec.h"
#include "spool/digest.h"
#include "spool/field_count.h"

namespace doagent::spool {
namespace {

tl::unexpected<Error> Malformed(const char* object, std::string what) {
  return Fail(ErrorCode::kPark, object, std::move(what));
}

StoredObject MakeObject(ObjectKind kind, const google::protobuf::MessageLite& message) {
  const std::string content = message.SerializeAsString();
  Packed packed = Pack(content);
  return {DigestOf(kind, content), kind, packed.encoding, std::move(packed.bytes)};
}

bool TextAllowed(const std::string& text) {
  return text.size() <= kLabelBytesMax;
}

Result<Family> DecodeFamily(const v1::Family& message) {
  if (message.name().empty() || !TextAllowed(message.name()) || !TextAllowed(message.help()) ||
      !TextAllowed(message.unit())) {
    return Malformed("schema", "a family's name, help or unit is empty or too long");
  }
  if (!v1::MetricType_IsValid(message.type()) || !v1::ValueKind_IsValid(message.kind())) {
    return Malformed("schema", "family " + message.name() + " has an unknown type or kind");
  }
  return Family{message.name(),
                message.help(),
                static_cast<MetricType>(message.type()),
                {static_cast<ValueKind>(message.kind()), message.mul() == 0 ? 1 : message.mul(),
                 message.div() == 0 ? 1 : message.div()},
                message.unit()};
}

Result<Series> DecodeSeries(const v1::Series& message, std::size_t families) {
  if (message.family() >= families || message.labels_size() % 2 != 0) {
    return Malformed("schema", "a series names no family, or half a label");
  }
  Series series{message.family(), {}};
  series.labels.reserve(static_cast<std::size_t>(message.labels_size()) / 2);
  for (int i = 0; i < message.labels_size(); i += 2) {
    if (message.labels(i).empty() || !TextAllowed(message.labels(i)) ||
        !TextAllowed(message.labels(i + 1))) {
      return Malformed("schema", "a label's name is empty, or its text too long");
    }
    series.labels.push_back({message.labels(i), message.labels(i + 1)});
  }
  return series;
}

// The key's values and presence; its layout is known.
Result<void> TakeValues(const v1::Key& message, Key& key) {
  key.values.assign(key.layout->series, 0);
  key.present.assign(key.layout->series, 1);
  int integers = 0;
  int doubles = 0;
  std::size_t i = 0;
  for (const auto& schema : key.layout->schemas) {
    for (std::size_t series = 0; series < schema->size(); ++series, ++i) {
      if (TestBit(message.absent(), i)) key.present[i] = 0;
      switch (schema->family_of(series).representation.kind) {
        case ValueKind::kSigned:
        case ValueKind::kUnsigned:
          if (integers >= message.integers_size()) return Malformed("key", "has too few integers");
          key.values[i] = static_cast<std::uint64_t>(message.integers(integers++));
          break;
        case ValueKind::kDouble:
          if (doubles >= message.doubles_size()) return Malformed("key", "has too few doubles");
          key.values[i] = message.doubles(doubles++);
          break;
        case ValueKind::kConstant: break;
      }
    }
  }
  if (integers != message.integers_size() || doubles != message.doubles_size()) {
    return Malformed("key", "has more values than its layout");
  }
  return {};
}

std::size_t DecodedBytesMax(ObjectKind kind) {
  // A key has at most ten bytes a series, a layout 18 a schema; only schemas carry text.
  return kind == ObjectKind::kSchema ? kDecodedBytesMax : kDecodedBytesMax / 4;
}

}  // namespace

StoredObject EncodeSchema(const Schema& schema) {
  v1::Schema message;
  message.set_collector(schema.collector());
  for (const auto& family : schema.families()) {
    auto* out = message.add_families();
    out->set_name(family.name);
    out->set_help(family.help);
    out->set_unit(family.unit);
    out->set_type(static_cast<v1::MetricType>(family.type));
    out->set_kind(static_cast<v1::ValueKind>(family.representation.kind));
    out->set_mul(family.representation.mul == 1 ? 0 : family.representation.mul);
    out->set_div(family.representation.div == 1 ? 0 : family.representation.div);
  }
  for (const auto& series : schema.series()) {
    auto* out = message.add_series();
    out->set_family(series.family);
    for (const auto& label : series.labels) {
      out->add_labels(label.name);
      out->add_labels(label.value);
    }
  }
  return MakeObject(ObjectKind::kSchema, message);
}

StoredObject EncodeLayout(const std::vector<ObjectId>& schema_ids) {
  v1::Layout message;
  for (const auto& schema : schema_ids) message.add_schemas(std::string(schema.bytes()));
  return MakeObject(ObjectKind::kLayout, message);
}

StoredObject EncodeKey(const Key& key) {
  v1::Key message;
  message.set_incarnation(key.incarnation);
  message.set_boot_id(std::string(key.boot_id.bytes()));
  message.set_clock_offset_ns(key.clock_offset_ns);
  message.set_layout(std::string(key.layout->id.bytes()));
  message.set_expected(key.expected);
  std::size_t i = 0;
  for (const auto& schema : key.layout->schemas) {
    for (std::size_t series = 0; series < schema->size(); ++series, ++i) {
      if (key.present[i] == 0) SetBit(*message.mutable_absent(), i);
      switch (schema->family_of(series).representation.kind) {
        case ValueKind::kSigned:
        case ValueKind::kUnsigned:
          message.add_integers(static_cast<std::int64_t>(key.values[i]));
          break;
        case ValueKind::kDouble: message.add_doubles(key.values[i]); break;
        case ValueKind::kConstant: break;
      }
    }
  }
  return MakeObject(ObjectKind::kKey, message);
}

Result<std::string> OpenObject(const StoredObject& object) {
  if (object.payload.size() > kObjectBytesMax) return Malformed("object", "too large");
  DOAGENT_ASSIGN(std::string content,
                 Unpack(object.encoding, object.payload, DecodedBytesMax(object.kind)));
  if (DigestOf(object.kind, content) != object.id) {
    return Fail(ErrorCode::kPark, "object " + object.id.Hex(), "its content has another digest");
  }
  return content;
}

Result<SchemaPtr> DecodeSchema(const std::string& content) {
  const auto fields = CountFields(
      content, {{v1::Schema::kFamiliesFieldNumber, {}}, {v1::Schema::kSeriesFieldNumber, {}}});
  if (!fields || *fields > kSchemaFieldsMax) {
    return Malformed("schema", "not a Schema message, or one with too many fields");
  }
  v1::Schema message;
  if (!message.ParseFromString(content)) return Malformed("schema", "not a Schema message");
  if (message.collector().empty() || !TextAllowed(message.collector()) ||
      static_cast<std::size_t>(message.series_size()) > kSeriesMax) {
    return Malformed("schema", "no collector name, or too many series");
  }
  std::vector<Family> families;
  families.reserve(static_cast<std::size_t>(message.families_size()));
  for (const auto& family : message.families()) {
    DOAGENT_ASSIGN(Family decoded, DecodeFamily(family));
    families.push_back(std::move(decoded));
  }
  std::vector<Series> series;
  series.reserve(static_cast<std::size_t>(message.series_size()));
  for (const auto& one : message.series()) {
    DOAGENT_ASSIGN(Series decoded, DecodeSeries(one, families.size()));
    series.push_back(std::move(decoded));
  }
  return std::make_shared<const Schema>(message.collector(), std::move(families),
                                        std::move(series));
}

Result<std::vector<ObjectId>> DecodeLayout(const std::string& content) {
  v1::Layout message;
  if (!message.ParseFromString(content)) return Malformed("layout", "not a Layout message");
  if (static_cast<std::size_t>(message.schemas_size()) > kSectionsMax) {
    return Malformed("layout", "names too many schemas");
  }
  std::vector<ObjectId> ids;
  for (const auto& bytes : message.schemas()) {
    const auto id = ObjectId::FromBytes(bytes);
    if (!id) return Malformed("layout", "names what is no object id");
    ids.push_back(*id);
  }
  return ids;
}

Result<ObjectId> LayoutOfKey(const std::string& key_content) {
  v1::Key message;
  if (!message.ParseFromString(key_content)) return Malformed("key", "not a Key message");
  const auto layout = ObjectId::FromBytes(message.layout());
  if (!layout) return Malformed("key", "names no layout");
  return *layout;
}

Result<Key> DecodeKey(const std::string& content, LayoutPtr layout) {
  v1::Key message;
  if (!message.ParseFromString(content)) return Malformed("key", "not a Key message");
  const auto boot_id = BootId::FromBytes(message.boot_id());
  if (!boot_id || message.incarnation() == 0) {
    return Malformed("key", "has no boot id or no incarnation");
  }
  Key key{message.incarnation(),
          *boot_id,
          message.clock_offset_ns(),
          std::move(layout),
          {},
          {},
          std::move(*message.mutable_expected())};
  DOAGENT_TRY(TakeValues(message, key));
  return key;
}

Result<std::vector<ObjectId>> Dependencies(ObjectKind kind, const std::string& content) {
  switch (kind) {
    case ObjectKind::kSchema: return std::vector<ObjectId>{};
    case ObjectKind::kLayout: return DecodeLayout(content);
    case ObjectKind::kKey: {
      DOAGENT_ASSIGN(const ObjectId layout, LayoutOfKey(content));
      return std::vector<ObjectId>{layout};
    }
  }
  return Malformed("object", "of an unknown kind");
}

}  // namespace doagent::spool
