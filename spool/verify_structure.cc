#include "spool/verify_structure.h"

#include <algorithm>
#include <array>
#include <set>
#include <string>
#include <string_view>

namespace doagent::spool {
namespace {

constexpr std::array kTables = {"meta",    "origins", "incarnations", "objects",   "object_copies",
                                "records", "blocks",  "stored",       "removed",   "receivers",
                                "ledger",  "parked",  "requests",     "delivered", "damaged"};
// The heading of SQLite's list of damaged pages.
constexpr std::string_view kHeading = "*** in database";

// A message may have several lines, each about a page.
void AddLines(const VerifyContext& context, const std::string& place, std::string_view message) {
  while (!message.empty()) {
    const std::string_view line = message.substr(0, message.find('\n'));
    message.remove_prefix(std::min(line.size() + 1, message.size()));
    if (line.empty() || line.substr(0, kHeading.size()) == kHeading) continue;
    context.findings.Add(place, "SQLite: " + std::string(line));
  }
}

Result<std::set<std::string>> TablesThere(Database& database) {
  DOAGENT_ASSIGN(Statement select,
                 database.Prepare("SELECT name FROM sqlite_schema WHERE type = 'table'"));
  std::set<std::string> tables;
  for (;;) {
    DOAGENT_ASSIGN(const bool row, select.Step());
    if (!row) return tables;
    tables.emplace(select.Text(0));
  }
}

// What SQLite finds in the table's pages and those of its indexes: some hundred lines at most.
Result<void> CheckPages(const VerifyContext& context, const std::string& table) {
  const std::string place = "table " + table;
  auto check = context.database.Prepare("PRAGMA integrity_check('" + table + "')");
  if (!check && !IsDamage(check.error())) return Fail(check.error());
  if (!check) {
    context.findings.Add(place, check.error().what);
    return {};
  }
  for (;;) {
    const auto row = check->Step();
    if (!row && !IsDamage(row.error())) return Fail(row.error());
    if (!row) context.findings.Add(place, row.error().what);
    if (!row || !*row) return {};
    if (check->Text(0) != "ok") AddLines(context, place, check->Text(0));
  }
}

}  // namespace

Result<void> VerifyStructure(const VerifyContext& context) {
  DOAGENT_ASSIGN(const std::set<std::string> there, TablesThere(context.database));
  // With it, the list of free pages is checked.
  DOAGENT_TRY(CheckPages(context, "sqlite_schema"));
  for (const std::string table : kTables) {
    context.Pause("pages of " + table);
    if (there.count(table) == 0) {
      context.findings.Add("table " + table, "is not there");
    } else {
      DOAGENT_TRY(CheckPages(context, table));
    }
  }
  context.Pause("pages");
  return {};
}

}  // namespace doagent::spool
