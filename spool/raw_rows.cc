#include "spool/raw_rows.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <span>
#include <unordered_set>

#include "spool/stored.h"

namespace doagent::spool {
namespace {

// What a row of a spool takes at most: an object and what stands beside it.
constexpr std::size_t kRowBytesMax = kObjectBytesMax + 4096;
constexpr std::size_t kColumnsMax = 32;
constexpr int kDepthMax = 20;
// Of each row, a tenth of a page stands in it at least.
constexpr int kLongRowsPerPage = 10;

enum PageType : std::uint8_t {
  kInteriorIndex = 2,
  kInteriorTable = 5,
  kLeafIndex = 10,
  kLeafTable = 13,
};

using Bytes = std::span<const std::uint8_t>;

// Takes a variable-length integer from the front. Nothing: it is cut off.
std::optional<std::uint64_t> TakeVarint(Bytes& bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < 9 && i < bytes.size(); ++i) {
    if (i == 8) {
      value = value << 8 | bytes[i];
    } else {
      value = value << 7 | (bytes[i] & 0x7f);
    }
    if (i == 8 || (bytes[i] & 0x80) == 0) {
      bytes = bytes.subspan(i + 1);
      return value;
    }
  }
  return std::nullopt;
}

struct PageHeader {
  std::uint8_t type = 0;
  std::size_t cells = 0;
  std::size_t pointers_at = 0;
  PageNumber rightmost = 0;  // of an interior page
};

std::optional<PageHeader> ParseHeader(PageNumber number, const Page& page) {
  const std::size_t at = number == 1 ? 100 : 0;  // behind the database's header
  PageHeader header;
  header.type = page[at];
  const bool interior = header.type == kInteriorIndex || header.type == kInteriorTable;
  const bool leaf = header.type == kLeafIndex || header.type == kLeafTable;
  if (!interior && !leaf) return std::nullopt;
  header.pointers_at = at + (interior ? 12 : 8);
  // Of a number of cells that is wrong, as many as fit are tried.
  header.cells =
      std::min<std::size_t>(ReadBigEndian(&page[at + 3], 2), (kPageBytes - header.pointers_at) / 2);
  if (interior) header.rightmost = ReadBigEndian(&page[at + 8], 4);
  return header;
}

// How much of a row stands in its page; the rest is in a chain of others.
std::size_t LocalBytes(std::size_t payload, bool table_leaf) {
  const std::size_t max = table_leaf ? kPageBytes - 35 : (kPageBytes - 12) * 64 / 255 - 23;
  const std::size_t min = (kPageBytes - 12) * 32 / 255 - 23;
  if (payload <= max) return payload;
  const std::size_t fitting = min + (payload - min) % (kPageBytes - 4);
  return fitting <= max ? fitting : min;
}

std::int64_t SignedBigEndian(Bytes bytes) {
  std::uint64_t value = (bytes[0] & 0x80) != 0 ? ~std::uint64_t{0} : 0;
  for (const std::uint8_t byte : bytes) value = value << 8 | byte;
  return static_cast<std::int64_t>(value);
}

std::string_view AsText(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Takes one value from the front of the body. Nothing: it is cut off, or of no known type.
std::optional<RawValue> TakeValue(std::uint64_t type, Bytes& body) {
  static constexpr std::array<std::size_t, 10> kSizes = {0, 1, 2, 3, 4, 6, 8, 8, 0, 0};
  if (type == 10 || type == 11) return std::nullopt;
  const std::uint64_t size = type < kSizes.size() ? kSizes[type] : (type - 12) / 2;
  if (size > body.size()) return std::nullopt;
  const Bytes bytes = body.first(static_cast<std::size_t>(size));
  body = body.subspan(static_cast<std::size_t>(size));
  RawValue value;
  if (type == 0) return value;
  if (type >= 12) {
    value.kind = type % 2 == 0 ? RawValue::Kind::kBlob : RawValue::Kind::kText;
    value.bytes = AsText(bytes);
  } else if (type == 7) {
    value.kind = RawValue::Kind::kReal;
  } else {
    value.kind = RawValue::Kind::kInteger;
    value.integer = type >= 8 ? static_cast<std::int64_t>(type - 8) : SignedBigEndian(bytes);
  }
  return value;
}

bool ParseRecord(Bytes payload, std::vector<RawValue>& values) {
  Bytes header = payload;
  const auto header_size = TakeVarint(header);
  const std::size_t taken = payload.size() - header.size();
  if (!header_size || *header_size < taken || *header_size > payload.size()) return false;
  header = header.first(static_cast<std::size_t>(*header_size) - taken);
  Bytes body = payload.subspan(static_cast<std::size_t>(*header_size));
  values.clear();
  while (!header.empty() && values.size() < kColumnsMax) {
    const auto type = TakeVarint(header);
    if (!type) return false;
    const auto value = TakeValue(*type, body);
    if (!value) return false;
    values.push_back(*value);
  }
  return true;
}

class CellReader {
 public:
  CellReader(const Page& page, const PageHeader& header, const PageGetter& get)
      : page_(page), header_(header), get_(get) {}

  // The row of a cell; false: there is none that can be made out.
  bool Read(std::size_t index, RawRow& row) {
    auto cell = CellAt(index);
    if (!cell) return false;
    if (header_.type == kInteriorIndex) {
      if (cell->size() < 4) return false;
      *cell = cell->subspan(4);  // the child before it
    }
    const auto size = TakeVarint(*cell);
    if (!size || *size > kRowBytesMax) return false;
    if (header_.type == kLeafTable) {
      const auto rowid = TakeVarint(*cell);
      if (!rowid) return false;
      row.rowid = static_cast<std::int64_t>(*rowid);
    }
    return Assemble(*cell, static_cast<std::size_t>(*size)) &&
           ParseRecord(Bytes(payload_), row.values);
  }

  PageNumber ChildOf(std::size_t index) const {
    const auto cell = CellAt(index);
    return cell && cell->size() >= 4 ? ReadBigEndian(cell->data(), 4) : 0;
  }

  std::size_t bytes_fetched() const { return bytes_fetched_; }

 private:
  std::optional<Bytes> CellAt(std::size_t index) const {
    const std::size_t at = ReadBigEndian(&page_[header_.pointers_at + 2 * index], 2);
    if (at < header_.pointers_at || at >= kPageBytes) return std::nullopt;
    return Bytes(page_).subspan(at);
  }

  bool Assemble(Bytes cell, std::size_t size) {
    const std::size_t local = LocalBytes(size, header_.type == kLeafTable);
    if (cell.size() < local + (local < size ? 4 : 0)) return false;
    payload_.assign(cell.begin(), cell.begin() + static_cast<std::ptrdiff_t>(local));
    if (local == size) return true;
    if (++long_rows_ > kLongRowsPerPage) return false;
    PageNumber next = ReadBigEndian(cell.data() + local, 4);
    // A chain that leads in a circle ends when the row is full.
    while (payload_.size() < size) {
      if (!get_(next, overflow_)) return false;
      bytes_fetched_ += kPageBytes;
      const std::size_t count = std::min(size - payload_.size(), kPageBytes - 4);
      payload_.insert(payload_.end(), overflow_.begin() + 4,
                      overflow_.begin() + 4 + static_cast<std::ptrdiff_t>(count));
      next = ReadBigEndian(overflow_.data(), 4);
    }
    return true;
  }

  const Page& page_;
  const PageHeader& header_;
  const PageGetter& get_;
  Page overflow_{};
  std::vector<std::uint8_t> payload_;
  int long_rows_ = 0;
  std::size_t bytes_fetched_ = 0;
};

class TableWalk {
 public:
  TableWalk(const PageGetter& get, const RowVisitor& visit) : get_(get), visit_(visit) {}

  Result<void> Walk(PageNumber number, int depth) {
    Page page;
    if (depth > kDepthMax || !seen_.insert(number).second) return {};
    if (!get_(number, page)) return {};
    DOAGENT_ASSIGN([[maybe_unused]] const std::size_t bytes, VisitRows(number, page, get_, visit_));
    const auto header = ParseHeader(number, page);
    if (!header || header->type == kLeafIndex || header->type == kLeafTable) return {};
    const CellReader cells(page, *header, get_);
    for (std::size_t i = 0; i < header->cells; ++i) {
      DOAGENT_TRY(Walk(cells.ChildOf(i), depth + 1));
    }
    return Walk(header->rightmost, depth + 1);
  }

 private:
  const PageGetter& get_;
  const RowVisitor& visit_;
  std::unordered_set<PageNumber> seen_;
};

}  // namespace

bool HasShape(const RawRow& row, std::initializer_list<RawValue::Kind> kinds) {
  return std::equal(row.values.begin(), row.values.end(), kinds.begin(), kinds.end(),
                    [](const RawValue& value, RawValue::Kind kind) { return value.kind == kind; });
}

Result<std::size_t> VisitRows(PageNumber number, const Page& page, const PageGetter& get,
                              const RowVisitor& visit) {
  const auto header = ParseHeader(number, page);
  if (!header || header->type == kInteriorTable) return std::size_t{0};
  CellReader cells(page, *header, get);
  RawRow row;
  for (std::size_t i = 0; i < header->cells; ++i) {
    if (cells.Read(i, row)) DOAGENT_TRY(visit(row));
  }
  return cells.bytes_fetched();
}

Result<void> VisitTable(PageNumber root, const PageGetter& get, const RowVisitor& visit) {
  return TableWalk(get, visit).Walk(root, 0);
}

}  // namespace doagent::spool
