// What --help says.
#pragma once

namespace doagent::spool_tool {

struct Help {
  const char* name;
  const char* summary;
  const char* formats;
  const char* examples;
};

inline constexpr const char* kSummary =
    "Shows what is in a spool of do-agent or do-agent-receiver. The owner of the spool may be "
    "running "
    "or stopped, and a copy works too. Reading changes nothing and never holds up the owner.";

inline constexpr const char* kExamples =
    "Examples:\n"
    "  do-agent-spool status --spool /var/lib/do-agent/spool.db\n"
    "  do-agent-spool dump --spool spool.db --from -1h --match 'node_load1'\n"
    "  do-agent-spool verify --spool spool.db\n"
    "  do-agent-spool dump --help\n"
    "\n"
    "Exit status: 0 done; 1 damage was found, or damaged records were left out; 2 wrong usage;\n"
    "3 a file cannot be read or written.";

inline constexpr Help kStatusHelp = {
    "status", "Show what the spool contains and how its delivery stands",
    "text, or json: one object",
    "Examples:\n"
    "  do-agent-spool status --spool /var/lib/do-agent/spool.db\n"
    "  do-agent-spool status --spool spool.db --watch --interval 5s\n"
    "  do-agent-spool status --spool spool.db --format json | jq '.origins[].pending_records'"};

inline constexpr Help kDumpHelp = {
    "dump", "Print records in the order of their numbers, all or a selection",
    "text; json: an object a line; csv: a line a sample; openmetrics: for promtool",
    "Examples:\n"
    "  do-agent-spool dump --spool spool.db --from -10m\n"
    "  do-agent-spool dump --spool spool.db --match "
    "'node_cpu_seconds_total{mode=~\"user|system\"}'\n"
    "  do-agent-spool dump --spool spool.db --follow --format json\n"
    "  do-agent-spool dump --spool spool.db --from 2026-01-01T00:00:00Z --format csv --output "
    "january.csv\n"
    "  do-agent-spool dump --spool spool.db --format openmetrics --output history.om &&\n"
    "    promtool tsdb create-blocks-from openmetrics history.om data/"};

inline constexpr Help kVerifyHelp = {
    "verify", "Check that everything is as it was written: checksums, ranges and numbers",
    "text, or json: an object a line",
    "Examples:\n"
    "  do-agent-spool verify --spool /var/lib/do-agent/spool.db\n"
    "  do-agent-spool verify --spool copy.db --format json | jq 'select(.type == \"finding\")'\n"
    "  do-agent-spool verify --spool copy.db && echo intact\n"
    "\n"
    "Exit status: 0 all is well; 1 something is not, each finding is a line; 3 the file cannot be\n"
    "opened. A spool may be verified while it is written."};

inline constexpr Help kSalvageHelp = {
    "salvage", "Save what is intact in a damaged spool into a new one", "text, or json: one object",
    "Examples:\n"
    "  do-agent-spool salvage --spool spool.db.damaged-20260101T000000Z --output saved.db\n"
    "  do-agent-spool verify --spool saved.db\n"
    "\n"
    "The wreck and the log beside it are read page by page and not changed. What is lost is "
    "listed\n"
    "and entered in the new spool's ledger. A running agent does this by itself with the files "
    "that\n"
    "it sets aside."};

inline constexpr Help kForgetHelp = {
    "forget", "Remove the records of a machine for good", "",
    "Examples:\n"
    "  do-agent-spool forget --spool receiver.db --host web-17\n"
    "  do-agent-spool forget --spool receiver.db --origin 77514e56 --yes\n"
    "\n"
    "A running owner of the spool carries it out; without one it is done at once. The number of\n"
    "records that were removed stays in the ledger. Exit status: 1 the answer was not y."};

inline constexpr Help kParkedHelp = {
    "parked", "List the records that a receiver refused for good, with its reasons",
    "text, or json: an object a line",
    "Examples:\n"
    "  do-agent-spool parked --spool /var/lib/do-agent/spool.db\n"
    "  do-agent-spool parked --spool /var/lib/do-agent/spool.db --retry"};

}  // namespace doagent::spool_tool
