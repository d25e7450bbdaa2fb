// The messages of docs/protocol.md as bytes: encoding our structs, and decoding what the other end
// sent with every limit checked before anything of its size is allocated. Shared by the agent's
// transport and the receiver. Pure functions, thread-safe.
//
// What a payload holds is not looked at here: storing it checks checksums, decompression and
// schemas (spool/inbox.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "spool/inbox.h"
#include "spool/ranges.h"
#include "spool/result.h"
#include "spool/spool.h"
#include "uploader/transport.h"

namespace doagent::uploader {

inline constexpr std::uint32_t kProtocolVersion = 2;
inline constexpr char kStreamMethod[] = "/doagent.v1.Ingest/Stream";
// Trailing metadata of a stream that ends: come back after so many milliseconds (decimal).
inline constexpr char kRetryAfterKey[] = "doagent-retry-after-ms";

inline constexpr std::size_t kClientMessageBytesMax = 4 << 20;  // one message, serialised
inline constexpr std::size_t kServerMessageBytesMax = 1 << 20;
// What a receiver names in its Welcome: leaves room for what a message adds to the payloads.
inline constexpr std::size_t kBatchBytesMax = 3'500'000;
inline constexpr std::size_t kClaimsMax = 1024;        // in a Hello
inline constexpr std::size_t kIncarnationsMax = 1024;  // in a claim
inline constexpr std::size_t kHelloIncarnationsMax = 65'536;
inline constexpr std::size_t kBatchRecordsMax = 65'536;  // more do not fit into kBatchBytesMax
inline constexpr std::size_t kBatchBlocksMax = 16;       // each may have 32,768 ranges of sequences
inline constexpr std::size_t kBatchObjectsMax = 8192;    // and as many keys
inline constexpr std::size_t kMessageRangesMax = 16'384;  // in a message from the receiver
inline constexpr std::size_t kTextBytesMax = 256;         // a name, a version
inline constexpr std::size_t kDetailBytesMax = 1024;      // a reason in words
inline constexpr std::chrono::milliseconds kPeriodMax = std::chrono::hours(24);

// --- From the client -----------------------------------------------------------------------------

struct Hello {
  std::string agent_version;
  std::vector<spool::Claim> claims;
};

// A batch that breaks a rule, though its spool id and its sequences can be read: these records are
// to be refused; the stream may go on.
struct MalformedBatch {
  SpoolId spool_id;
  spool::RangeSet ranges;
  std::string detail;
};

using ClientMessage = std::variant<Hello, spool::IncomingBatch, MalformedBatch>;

// Of a claim with more incarnations than the limits let pass the newest are sent: the receiver
// compares those that it is told of. kRefuse: no claim, or more than a message takes.
Result<std::string> EncodeHello(const Hello& hello);

// kPark: no receiver would take the batch as it is; the error says why, and the batch is as it was.
Result<std::string> EncodeBatch(OutgoingBatch&& batch);

// kRefuse: not a message of this protocol, or beyond its limits.
Result<ClientMessage> DecodeClientMessage(std::string_view bytes);

// --- From the receiver ---------------------------------------------------------------------------

// Of more than kMessageRangesMax stored ranges the first are sent, claim by claim: what is left out
// the client offers again, and it is not stored twice.
std::string EncodeWelcome(const Welcome& welcome);
// One message or more, each with at most kMessageRangesMax ranges; none when there is no range.
std::vector<std::string> EncodeAck(const Ack& ack);
std::vector<std::string> EncodeRefused(const Refused& refused);
std::string EncodeControl(const Control& control);
std::string EncodeHeartbeat();

// Never a Closed event. Periods beyond kPeriodMax are cut to it. kRefuse: as above.
Result<TransportEvent> DecodeServerMessage(std::string_view bytes);

// Text that may travel in a message and stand on a person's terminal: valid UTF-8 without control
// characters ('?' in their place), cut to bytes_max between characters.
std::string CleanText(std::string_view text, std::size_t bytes_max);

}  // namespace doagent::uploader
