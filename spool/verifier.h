// Verifies a spool that this process does not own: live, stopped, copied or badly damaged; an
// agent's or a receiver's. Read-only, in short read transactions, and in memory that does not grow
// with what is stored. Whether all is as docs/spool-format.md says; not whether it makes sense.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "spool/ids.h"
#include "spool/model.h"
#include "spool/ranges.h"
#include "spool/result.h"

namespace doagent::spool {

// Something that is not as it was written.
struct Finding {
  std::string place;  // "origin 1f3a…, record 42"
  std::string what;   // "its checksum does not fit its content"
};

struct RemovedRange {
  std::string_view kind;  // "expired", "evicted", …: docs/spool-format.md, `removed`
  SequenceRange range;
};

// Of long lists so many are kept; the rest is counted.
inline constexpr std::size_t kRangesListed = 100;

// What there is of one origin. Of a live spool: as far as it had come when its turn came.
struct OriginSummary {
  std::string name;  // "origin 1f3a…"; of one that the file does not know: "origin number 7"
  SpoolId spool_id;  // zero: not known
  Host host;
  Sequence first_sequence = 0;  // of what is stored; 0: nothing
  Sequence last_sequence = 0;
  std::uint64_t rows = 0;
  std::uint64_t events = 0;
  std::uint64_t blocks = 0;
  std::uint64_t block_snapshots = 0;
  std::uint64_t unsealed_rows = 0;      // behind the last block
  Sequence unsealed_from = 0;           // the first of them; 0: there are none
  std::uint64_t lost_records = 0;       // the ledger's sum: gone without having been delivered
  std::vector<RemovedRange> removed;    // where retention took records; some may still be there
  std::uint64_t removed_ranges = 0;     // how many these are
  std::uint64_t removed_records = 0;    // not there, and within them
  std::uint64_t explained_records = 0;  // not there, and an event tells why
  std::vector<SequenceRange> missing;   // neither there nor explained
  std::uint64_t missing_ranges = 0;     // how many these are
  std::uint64_t missing_records = 0;    // of all of them
};

// Of all origins together.
struct VerifySummary {
  SpoolId spool_id;  // the file's own; zero: not readable
  bool receiver = false;
  std::uint64_t origins = 0;
  std::uint64_t rows = 0;
  std::uint64_t events = 0;
  std::uint64_t blocks = 0;
  std::uint64_t block_snapshots = 0;
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;  // of payloads that were checked: records, blocks, objects and copies
  std::uint64_t findings = 0;
};

// Who listens is called between read transactions, so it may take its time.
struct VerifyObserver {
  std::function<void(const Finding&)> finding;       // REQUIRED
  std::function<void(const OriginSummary&)> origin;  // REQUIRED
  // Now and then: what is being looked at, and how many bytes were checked so far. May be unset.
  std::function<void(std::string_view step, std::uint64_t bytes)> progress;
};

// Looks at everything, however much of it is damaged: what cannot be read is a finding, and reading
// goes on behind it. Errors: kRefuse and kFatal when the file cannot be opened or is no spool,
// kRetry when the file system fails, kBusy while somebody has the database locked.
Result<VerifySummary> VerifySpool(const std::filesystem::path& path,
                                  const VerifyObserver& observer);

}  // namespace doagent::spool
