// What can be made out in the files of a damaged spool: its small tables, from their root pages on,
// and everything else row by row (raw_rows.h). Reads only; knows nothing of checksums.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "spool/layout.h"
#include "spool/origin_table.h"
#include "spool/page_file.h"
#include "spool/range_table.h"
#include "spool/raw_rows.h"

namespace doagent::spool {

// Begins the names under which meta says what was taken over.
inline constexpr std::string_view kSalvagedMark = "salvaged:";

struct ParkedRow {
  std::int64_t id = 0;
  std::int64_t parked_unix_ms = 0;
  std::string reason;
};

struct LedgerRow {
  OriginNumber origin = 0;
  std::int64_t kind = 0;
  std::int64_t events = 0;
  std::int64_t records = 0;
};

// Impossible values are left out; what is here may still be wrong.
struct WreckTables {
  std::optional<Role> role;
  std::optional<std::string> own_id;  // meta's spool_id
  std::optional<std::string> local;   // meta's
  std::set<std::string> salvaged;     // names of the sets of files that were taken over into it
  std::set<SpoolId> removed_ids;      // of origins that were removed by command
  std::set<SpoolId> forget_wanted;    // of origins that were about to be
  std::vector<OriginRow> origins;     // with their incarnations
  bool no_origins = false;            // there were none, which is not: they cannot be read
  std::map<OriginNumber, RangeSet> stored;
  RangesByPair removed;  // but for what was thinned
  std::map<OriginNumber, std::vector<ThinnedRange>> thinned;
  RangesByPair delivered;  // by the wreck's receiver numbers
  std::map<ReceiverNumber, ReceiverId> receivers;
  std::vector<ParkedRow> parked;
  std::vector<LedgerRow> ledger;
};

class Wreck {
 public:
  explicit Wreck(PageFile pages) : pages_(std::move(pages)) {}

  // The database at the path with its log; either may be missing.
  static Result<Wreck> Open(const std::filesystem::path& database);

  WreckTables ReadTables() const;

  // Pages of the file, then frames of the log: each is looked at by itself.
  std::size_t images() const { return pages_.pages() + pages_.frames(); }
  // All rows in one of them, of whatever table. Returns how many bytes stood elsewhere (VisitRows).
  Result<std::size_t> VisitImage(std::size_t image, const RowVisitor& visit) const;

  const PageFile& pages() const { return pages_; }

 private:
  PageFile pages_;
};

}  // namespace doagent::spool
