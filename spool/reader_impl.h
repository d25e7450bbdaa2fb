// The Reader's state. reader.cc has the visiting of records, reader_status.cc the summary.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "spool/block_codec.h"
#include "spool/explained.h"
#include "spool/layout.h"
#include "spool/object_table.h"
#include "spool/origin_table.h"
#include "spool/reader.h"
#include "spool/record_decoder.h"
#include "spool/run_reader.h"
#include "spool/sqlite.h"

namespace doagent::spool {

// What of an origin is settled, and how; as the tables say.
struct Settled {
  RangeSet acknowledged;
  RangeSet parked;
};

class Reader::Impl {
 public:
  Impl(std::filesystem::path path, std::unique_ptr<Database> database, RunReader runs,
       ObjectTable objects, bool receiver)
      : path_(std::move(path)),
        database_(std::move(database)),
        runs_(std::move(runs)),
        objects_(std::move(objects)),
        decoder_(objects_),
        receiver_(receiver) {}

  // reader_status.cc
  Result<SpoolStatus> Status();
  Result<std::vector<Origin>> Origins();
  Result<std::vector<ParkedRecord>> Parked();

  // reader.cc
  Result<void> Visit(const RecordFilter& filter, const std::function<bool(const Record&)>& visit,
                     const std::function<void(const Error&)>& damaged);
  void Rewind() { positions_.clear(); }

 private:
  using SettledByOrigin = std::map<OriginNumber, Settled>;

  // Of a visit, as far as one origin is concerned.
  struct VisitContext {
    const RecordFilter& filter;
    const std::function<bool(const Record&)>& visit;
    const std::function<void(const Error&)>& damaged;
    const OriginRow& origin;
    const Settled& settled;
    bool local = true;
  };

  // The block that was read last: a part of it may be all that one run has.
  struct OpenBlock {
    StoredBlock stored;
    Result<DecodedBlock> decoded;
  };

  // Nothing is ever pending in a receiver's spool, nor in that of an agent without an endpoint.
  Result<bool> Local();
  Result<SettledByOrigin> LoadSettled();

  Result<OriginStatus> StatusOf(const OriginRow& origin, const Settled& settled, bool local);
  Result<void> LoadTotals(OriginNumber origin, OriginStatus& status);
  // Of the records in these ranges, as they are stored.
  Result<std::uint64_t> BytesOf(OriginNumber origin, const RangeSet& sequences);
  Result<void> EstimateGrowth(SpoolStatus& status);
  Result<std::uint64_t> NewestSeries(OriginNumber origin, Sequence last);
  Result<std::optional<std::int64_t>> TimeOf(OriginNumber origin, Sequence sequence);

  const Result<DecodedBlock>& Decode(const StoredBlock& stored);
  // False: the visitor wants no more.
  Result<bool> VisitOrigin(const VisitContext& context);
  bool VisitRecords(const StoredRun& run, const VisitContext& context);
  bool VisitBlock(const StoredRun& run, const VisitContext& context);

  const std::filesystem::path path_;
  std::unique_ptr<Database> database_;
  RunReader runs_;
  ObjectTable objects_;
  RecordDecoder decoder_;
  const bool receiver_;
  std::optional<OpenBlock> open_block_;
  std::map<OriginNumber, Sequence> positions_;             // the last visited
  std::optional<std::map<SpoolId, Explained>> explained_;  // loaded when Status needs it
};

}  // namespace doagent::spool
