#include "spool/verifier.h"

#include <memory>
#include <optional>
#include <utility>

#include "spool/origin_table.h"
#include "spool/verify_blocks.h"
#include "spool/verify_context.h"
#include "spool/verify_objects.h"
#include "spool/verify_origins.h"
#include "spool/verify_ranges.h"
#include "spool/verify_records.h"
#include "spool/verify_sequences.h"
#include "spool/verify_structure.h"

namespace doagent::spool {
namespace {

class Verification {
 public:
  explicit Verification(const VerifyContext& context) : context_(context) {}

  Result<void> Run() {
    DOAGENT_TRY(VerifyStructure(context_));
    DOAGENT_TRY(VerifyMeta());
    context_.Pause("origins");
    DOAGENT_TRY(VerifyObjects());
    DOAGENT_TRY(VerifyOrigins());
    return VerifyAllRanges();
  }

 private:
  // Tables that are not there or not what they should be are a finding: the other steps go on.
  Result<void> Note(const char* place, const Error& error) {
    if (!IsDamage(error) && error.code != ErrorCode::kFatal) return Fail(error);
    context_.findings.AddOnce(place, "cannot be verified: " + error.what);
    return {};
  }

  // What a step needs; nothing where the tables do not let it.
  template <typename T>
  Result<std::optional<T>> Prepared(const char* place, Result<T> step) {
    if (step) return std::optional<T>(*std::move(step));
    DOAGENT_TRY(Note(place, step.error()));
    return std::optional<T>();
  }

  // The value with the name, into `value` if there is one.
  Result<void> Meta(const std::string& name, std::string& value) {
    const auto stored = LoadMeta(context_.database, name);
    if (!stored) return Note("table meta", stored.error());
    if (*stored) value = **stored;
    return {};
  }

  // Whose file it is.
  Result<void> VerifyMeta() {
    std::string role;
    DOAGENT_TRY(Meta("role", role));
    context_.summary.receiver = role == "receiver";
    if (role != "receiver" && role != "agent") {
      context_.findings.Add("table meta", "does not say whether it is an agent's or a receiver's");
    }
    std::string bytes;
    DOAGENT_TRY(Meta("spool_id", bytes));
    const auto spool_id = SpoolId::FromBytes(bytes);
    if (spool_id) context_.summary.spool_id = *spool_id;
    if (!bytes.empty() && !spool_id) context_.findings.Add("table meta", "its spool id is none");
    return {};
  }

  Result<void> VerifyObjects() {
    DOAGENT_ASSIGN(auto objects, Prepared("objects", ObjectVerifier::Prepare(context_)));
    return objects ? objects->Verify() : Result<void>();
  }

  Result<void> VerifyOrigins() {
    DOAGENT_ASSIGN(auto facts, Prepared("origins", SequenceFacts::Prepare(context_.database)));
    DOAGENT_ASSIGN(auto walk, Prepared("origins", OriginWalk::Prepare(context_)));
    DOAGENT_ASSIGN(auto objects, Prepared("records", ObjectTable::Prepare(context_.database)));
    if (!facts || !walk || !objects) return {};
    RecordDecoder decoder(*objects);
    DOAGENT_ASSIGN(auto records,
                   Prepared("records", RecordVerifier::Prepare(context_, *facts, decoder)));
    DOAGENT_ASSIGN(auto blocks,
                   Prepared("blocks", BlockVerifier::Prepare(context_, *facts, decoder)));
    DOAGENT_ASSIGN(auto sequences,
                   Prepared("sequences", SequenceVerifier::Prepare(context_, *facts)));
    bool own_known = false;
    for (;;) {
      OriginSummary summary;
      DOAGENT_ASSIGN(const auto origin, walk->Next(summary));
      context_.Pause("origins");
      if (!origin) break;
      // Rows first: what is sealed meanwhile is then looked at twice, not missed.
      if (records) DOAGENT_TRY(records->Verify(*origin));
      if (blocks) DOAGENT_TRY(blocks->Verify(*origin));
      if (sequences) DOAGENT_TRY(sequences->Verify(*origin, summary));
      own_known = own_known || summary.spool_id == context_.summary.spool_id;
      Add(summary);
    }
    if (!context_.summary.receiver && !context_.summary.spool_id.IsZero() && !own_known) {
      context_.findings.Add("origin " + context_.summary.spool_id.Hex(),
                            "is the one that the agent writes, but not in the table of origins");
    }
    return {};
  }

  void Add(const OriginSummary& origin) {
    VerifySummary& all = context_.summary;
    ++all.origins;
    all.rows += origin.rows;
    all.events += origin.events;
    all.blocks += origin.blocks;
    all.block_snapshots += origin.block_snapshots;
    context_.observer.origin(origin);
  }

  Result<void> VerifyAllRanges() {
    DOAGENT_ASSIGN(auto facts, Prepared("ranges", SequenceFacts::Prepare(context_.database)));
    if (!facts) return {};
    for (const RangeTable& table :
         {DeliveredTable(context_.summary.receiver), StoredTable(), RemovedTable()}) {
      DOAGENT_ASSIGN(auto ranges,
                     Prepared("ranges", RangeVerifier::Prepare(context_, *facts, table)));
      if (ranges) DOAGENT_TRY(ranges->Verify());
    }
    DOAGENT_ASSIGN(auto parked, Prepared("parked", PrepareParked(context_.database)));
    return parked ? VerifyParked(context_, *facts, *parked) : Result<void>();
  }

  const VerifyContext& context_;
};

}  // namespace

Result<VerifySummary> VerifySpool(const std::filesystem::path& path,
                                  const VerifyObserver& observer) {
  VerifySummary summary;
  FindingQueue findings(observer);
  const auto verify = [&]() -> Result<void> {
    DOAGENT_ASSIGN(const auto database, OpenForReading(path));
    const VerifyContext context{*database, observer, findings, summary};
    return Verification(context).Run();
  };
  if (const auto verified = verify(); !verified) {
    if (!IsDamage(verified.error())) return Fail(verified.error());
    // The beginning of the file, or the list of tables: without them SQLite reads nothing.
    findings.Add(path.string(), "cannot be read as a database: " + verified.error().what);
  }
  findings.Report();
  summary.findings = findings.count();
  return summary;
}

}  // namespace doagent::spool
