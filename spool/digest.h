// The two digests of the format: an object's id and a record's checksum (docs/spool-format.md).
#pragma once

#include <cstdint>
#include <string_view>

#include "spool/ids.h"
#include "spool/stored.h"

namespace doagent::spool {

// The first 16 bytes of SHA-256 over the kind's byte and the decompressed content. Objects come
// from other machines too and are shared between origins: nobody must be able to make a second
// content for an id, so a fast checksum would not do.
ObjectId DigestOf(ObjectKind kind, std::string_view content);

// XXH64 of the stored payload, seeded with that of sequence, time, kind, encoding and key id.
// The incarnation is inside the key and the event, and thereby covered. The spool id is not, so
// that records move to a new spool id in one UPDATE; which spool a record belongs to follows from
// its incarnation.
std::uint64_t ChecksumOf(const StoredRecord& record);

// The same of a block, seeded with that of its range, times, encoding, holes and layout ids.
std::uint64_t ChecksumOf(const StoredBlock& block);

}  // namespace doagent::spool
