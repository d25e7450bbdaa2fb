// What both directions of wire.h share. For uploader/wire*.cc only.
#pragma once

#include <google/protobuf/repeated_ptr_field.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "doagent/v1/ingest.pb.h"
#include "doagent/v1/storage.pb.h"
#include "spool/field_count.h"
#include "spool/ids.h"
#include "spool/ranges.h"
#include "spool/result.h"
#include "uploader/wire.h"

namespace doagent::uploader {

inline tl::unexpected<Error> Malformed(std::string what) {
  return Fail(ErrorCode::kRefuse, "message", std::move(what));
}

// kRefuse: more than fields_max fields, those of the messages named included, or not protobuf.
Result<void> CheckFieldCount(std::string_view bytes, const std::vector<spool::FieldTree>& messages,
                             std::size_t fields_max);

template <typename Id>
Result<Id> DecodeId(const std::string& bytes, const char* name) {
  const auto id = Id::FromBytes(bytes);
  if (!id || id->IsZero()) {
    return Malformed(std::string(name) + " is not an id of 16 bytes, not all zero");
  }
  return *id;
}

// The ranges must ascend, be disjoint and lie within 1 … kSequenceMax.
Result<spool::RangeSet> DecodeRanges(
    const google::protobuf::RepeatedPtrField<v1::SequenceRange>& ranges);

inline std::string Number(std::uint64_t value) {
  return std::to_string(value);
}

Result<Hello> DecodeHello(const v1::Hello& in);
// Moves the payloads out.
Result<ClientMessage> DecodeBatch(v1::Batch* in);

}  // namespace doagent::uploader
