// Rows out of single pages of a database, without SQLite and without what leads to the pages: what
// is intact in a file that is not. Whoever uses them checks what they say. Pure but for reading.
//
// Format: https://www.sqlite.org/fileformat2.html, "B-tree Pages", "Record Format".
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "spool/page_file.h"

namespace doagent::spool {

struct RawValue {
  enum class Kind : std::uint8_t { kNull, kInteger, kReal, kBlob, kText };
  Kind kind = Kind::kNull;
  std::int64_t integer = 0;
  std::string_view bytes;  // of a blob or text

  bool IsInteger() const { return kind == Kind::kInteger; }
  bool IsBlob() const { return kind == Kind::kBlob; }
  bool IsText() const { return kind == Kind::kText; }
};

// One row. Its bytes live as long as the call of the visitor.
struct RawRow {
  std::int64_t rowid = 0;  // of a table with rowids
  std::vector<RawValue> values;
};

// That its columns are these.
bool HasShape(const RawRow& row, std::initializer_list<RawValue::Kind> kinds);

using RowVisitor = std::function<Result<void>(const RawRow&)>;

// How to get a further page of a long row. False: it is not there.
using PageGetter = std::function<bool(PageNumber, Page&)>;

// Calls visit for every row that can be made out in the page; pages of other uses have none.
// Returns how many bytes were fetched with `get`, for rows that go on in other pages: not much more
// than ten times the longest row. Errors: those of visit.
Result<std::size_t> VisitRows(PageNumber number, const Page& page, const PageGetter& get,
                              const RowVisitor& visit);

// All rows of a table, from its root page on, as far as its pages can be made out.
Result<void> VisitTable(PageNumber root, const PageGetter& get, const RowVisitor& visit);

}  // namespace doagent::spool
