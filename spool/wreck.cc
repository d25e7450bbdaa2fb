#include "spool/wreck.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "spool/forget.h"

namespace doagent::spool {
namespace {

using Kind = RawValue::Kind;

// Holds the spool ids once more, with the numbers of their origins.
constexpr const char* kOriginIndex = "sqlite_autoindex_origins_1";

// Where the tables of every spool begin, for they are made in one go: of use when the page that
// says so is damaged.
const std::map<std::string, PageNumber>& UsualRoots() {
  static const std::map<std::string, PageNumber> kRoots = {
      {"meta", 3},    {"origins", 4},  {kOriginIndex, 5}, {"incarnations", 6},
      {"stored", 12}, {"removed", 13}, {"receivers", 14}, {"delivered", 16},
      {"parked", 17}, {"ledger", 18},  {"requests", 19}};
  return kRoots;
}

std::optional<SequenceRange> RangeOf(const RawValue& first, const RawValue& last) {
  const SequenceRange range{static_cast<Sequence>(first.integer),
                            static_cast<Sequence>(last.integer)};
  if (range.first == 0 || range.first > range.last || range.last > kSequenceMax) {
    return std::nullopt;
  }
  return range;
}

class TableReader {
 public:
  explicit TableReader(const PageFile& pages)
      : get_([&pages](PageNumber number, Page& page) { return pages.ReadNewest(number, page); }),
        roots_(UsualRoots()) {
    constexpr PageNumber kSchemaRoot = 1;
    Visit(kSchemaRoot, [this](const RawRow& row) {
      if (row.values.size() != 5 || !row.values[1].IsText() || !row.values[3].IsInteger()) return;
      const auto known = roots_.find(std::string(row.values[1].bytes));
      if (known != roots_.end()) known->second = static_cast<PageNumber>(row.values[3].integer);
    });
  }

  void VisitNamed(const std::string& table, const std::function<void(const RawRow&)>& visit) {
    Visit(roots_.at(table), visit);
  }

  // Whether the table is whole and has no rows.
  bool IsEmpty(const std::string& table) {
    constexpr std::uint8_t kTableLeaf = 13;
    constexpr std::size_t kCellCount = 3;
    Page page;
    return get_(roots_.at(table), page) && page[0] == kTableLeaf &&
           ReadBigEndian(&page[kCellCount], 2) == 0;
  }

 private:
  void Visit(PageNumber root, const std::function<void(const RawRow&)>& visit) {
    // This visitor never fails, so neither does the visit.
    (void)VisitTable(root, get_, [&visit](const RawRow& row) -> Result<void> {
      visit(row);
      return {};
    });
  }

  PageGetter get_;
  std::map<std::string, PageNumber> roots_;
};

void ReadMeta(TableReader& reader, WreckTables& tables) {
  reader.VisitNamed("meta", [&tables](const RawRow& row) {
    if (row.values.size() != 2 || !row.values[0].IsText()) return;
    const RawValue& value = row.values[1];
    if (row.values[0].bytes.starts_with(kSalvagedMark)) {
      tables.salvaged.emplace(row.values[0].bytes.substr(kSalvagedMark.size()));
    }
    if (row.values[0].bytes.starts_with(kRemovedMark)) {
      const auto id = SpoolId::FromHex(row.values[0].bytes.substr(kRemovedMark.size()));
      if (id) tables.removed_ids.insert(*id);
    }
    if (row.values[0].bytes == "role" && value.IsText()) {
      tables.role = value.bytes == "receiver" ? Role::kReceiver : Role::kAgent;
    } else if (row.values[0].bytes == "spool_id" && value.IsBlob()) {
      tables.own_id = std::string(value.bytes);
    } else if (row.values[0].bytes == "local" && value.IsBlob()) {
      tables.local = std::string(value.bytes);
    }
  });
}

void ReadOrigins(TableReader& reader, WreckTables& tables) {
  std::map<OriginNumber, std::vector<IncarnationStart>> incarnations;
  reader.VisitNamed("incarnations", [&incarnations](const RawRow& row) {
    if (!HasShape(row, {Kind::kInteger, Kind::kInteger, Kind::kInteger})) return;
    incarnations[row.values[0].integer].push_back({static_cast<Incarnation>(row.values[2].integer),
                                                   static_cast<Sequence>(row.values[1].integer)});
  });
  // A table of several pages is not read in its order.
  for (auto& [number, starts] : incarnations) {
    std::sort(starts.begin(), starts.end(),
              [](const auto& a, const auto& b) { return a.first_sequence < b.first_sequence; });
  }
  std::map<OriginNumber, SpoolId> indexed;
  reader.VisitNamed(kOriginIndex, [&indexed](const RawRow& row) {
    if (!HasShape(row, {Kind::kBlob, Kind::kInteger})) return;
    if (const auto id = SpoolId::FromBytes(row.values[0].bytes)) {
      indexed.emplace(row.values[1].integer, *id);
    }
  });
  reader.VisitNamed("origins", [&](const RawRow& row) {
    if (!HasShape(row, {Kind::kNull, Kind::kBlob, Kind::kInteger, Kind::kText, Kind::kText,
                        Kind::kText, Kind::kText, Kind::kText, Kind::kText})) {
      return;
    }
    auto spool_id = SpoolId::FromBytes(row.values[1].bytes);
    const auto first = static_cast<Sequence>(row.values[2].integer);
    if (!spool_id || first > kSequenceMax || row.rowid < 1) return;
    // The id stands in three places: where two of them differ, the third decides; without it, the
    // shorter row is the likelier one.
    const auto index = indexed.find(row.rowid);
    if (index != indexed.end()) {
      if (tables.own_id != spool_id->bytes()) spool_id = index->second;
      indexed.erase(index);
    }
    const auto text = [&row](std::size_t i) { return std::string(row.values[i].bytes); };
    tables.origins.push_back({row.rowid,
                              *spool_id,
                              first,
                              {text(3), text(4), text(5), text(6), text(7)},
                              text(8),
                              std::move(incarnations[row.rowid])});
  });
  for (const auto& [number, spool_id] : indexed) {
    if (number < 1) continue;
    tables.origins.push_back({number, spool_id, 1, {}, "", std::move(incarnations[number])});
  }
  tables.no_origins = tables.origins.empty() && reader.IsEmpty("origins");
  // An agent writes the origin that came last.
  const auto own = tables.own_id ? SpoolId::FromBytes(*tables.own_id) : std::nullopt;
  if (!own || tables.role == Role::kReceiver || tables.origins.empty()) return;
  const auto by_number = [](const OriginRow& a, const OriginRow& b) { return a.number < b.number; };
  const bool named = std::any_of(tables.origins.begin(), tables.origins.end(),
                                 [&own](const OriginRow& row) { return row.spool_id == *own; });
  if (named) return;
  std::max_element(tables.origins.begin(), tables.origins.end(), by_number)->spool_id = *own;
}

void ReadRemoved(TableReader& reader, WreckTables& tables) {
  reader.VisitNamed("removed", [&tables](const RawRow& row) {
    if (!HasShape(row, {Kind::kInteger, Kind::kInteger, Kind::kInteger, Kind::kInteger,
                        Kind::kInteger})) {
      return;
    }
    const auto range = RangeOf(row.values[2], row.values[3]);
    const auto [origin, kind] = std::pair(row.values[0].integer, row.values[1].integer);
    if (!range || kind < 0 || kind >= std::ssize(kRemovalKinds)) return;
    if (kind != static_cast<std::int64_t>(RemovalKind::kThinned)) {
      tables.removed[{origin, kind}].Add(*range);
    } else if (row.values[4].integer > 0) {
      const auto records = static_cast<std::uint64_t>(row.values[4].integer);
      tables.thinned[origin].push_back({*range, std::min(records, range->count())});
    }
  });
}

void ReadLedger(TableReader& reader, WreckTables& tables) {
  reader.VisitNamed("parked", [&tables](const RawRow& row) {
    if (!HasShape(row, {Kind::kNull, Kind::kInteger, Kind::kText})) return;
    tables.parked.push_back({row.rowid, row.values[1].integer, std::string(row.values[2].bytes)});
  });
  reader.VisitNamed("ledger", [&tables](const RawRow& row) {
    if (!HasShape(row, {Kind::kInteger, Kind::kInteger, Kind::kInteger, Kind::kInteger})) return;
    tables.ledger.push_back({row.values[0].integer, row.values[1].integer, row.values[2].integer,
                             row.values[3].integer});
  });
}

}  // namespace

Result<Wreck> Wreck::Open(const std::filesystem::path& database) {
  DOAGENT_ASSIGN(auto file, Descriptor::OpenForReading(database));
  DOAGENT_ASSIGN(auto log, Descriptor::OpenForReading(database.string() + "-wal"));
  DOAGENT_ASSIGN(PageFile pages, PageFile::Open(file ? *std::move(file) : Descriptor(),
                                                log ? *std::move(log) : Descriptor()));
  return Wreck(std::move(pages));
}

WreckTables Wreck::ReadTables() const {
  TableReader reader(pages_);
  WreckTables tables;
  ReadMeta(reader, tables);
  ReadOrigins(reader, tables);
  reader.VisitNamed("stored", [&tables](const RawRow& row) {
    if (!HasShape(row, {Kind::kInteger, Kind::kInteger, Kind::kInteger})) return;
    const auto range = RangeOf(row.values[1], row.values[2]);
    if (range) tables.stored[row.values[0].integer].Add(*range);
  });
  ReadRemoved(reader, tables);
  reader.VisitNamed("delivered", [&tables](const RawRow& row) {
    if (!HasShape(row, {Kind::kInteger, Kind::kInteger, Kind::kInteger, Kind::kInteger})) return;
    const auto range = RangeOf(row.values[2], row.values[3]);
    if (range) tables.delivered[{row.values[0].integer, row.values[1].integer}].Add(*range);
  });
  reader.VisitNamed("receivers", [&tables](const RawRow& row) {
    if (!HasShape(row, {Kind::kNull, Kind::kBlob})) return;
    if (const auto id = ReceiverId::FromBytes(row.values[1].bytes)) {
      tables.receivers[row.rowid] = *id;
    }
  });
  ReadLedger(reader, tables);
  reader.VisitNamed("requests", [&tables](const RawRow& row) {
    if (!HasShape(row, {Kind::kNull, Kind::kText, Kind::kText})) return;
    if (row.values[1].bytes != kForgetRequest) return;
    if (const auto id = SpoolId::FromHex(row.values[2].bytes)) tables.forget_wanted.insert(*id);
  });
  return tables;
}

Result<std::size_t> Wreck::VisitImage(std::size_t image, const RowVisitor& visit) const {
  Page page;
  PageNumber number = 0;
  if (image < pages_.pages()) {
    number = static_cast<PageNumber>(image + 1);
    if (!pages_.ReadPage(number, page)) return std::size_t{0};
  } else {
    const auto framed = pages_.ReadFrame(image - pages_.pages(), page);
    if (!framed) return std::size_t{0};
    number = *framed;
  }
  const PageGetter newest = [this](PageNumber wanted, Page& found) {
    return pages_.ReadNewest(wanted, found);
  };
  DOAGENT_ASSIGN(const std::size_t bytes, VisitRows(number, page, newest, visit));
  if (bytes == 0 || pages_.frames() == 0) return bytes;
  // The rest of a long row may have been overwritten in the log since.
  const PageGetter older = [this](PageNumber wanted, Page& found) {
    return pages_.ReadPage(wanted, found);
  };
  DOAGENT_ASSIGN(const std::size_t again, VisitRows(number, page, older, visit));
  return bytes + again;
}

}  // namespace doagent::spool
