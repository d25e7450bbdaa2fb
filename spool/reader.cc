#include "spool/reader.h"

#include <algorithm>
#include <utility>

#include "spool/reader_impl.h"

namespace doagent::spool {
namespace {

// One read transaction each: short, so that the owner's log can be checkpointed meanwhile.
constexpr ReadLimits kChunk{1 << 20, 512};

DeliveryState StateOf(const Settled& settled, bool local, Sequence sequence) {
  if (settled.parked.Contains(sequence)) return DeliveryState::kParked;
  if (settled.acknowledged.Contains(sequence)) return DeliveryState::kAcknowledged;
  return local ? DeliveryState::kLocal : DeliveryState::kPending;
}

bool TimeWanted(const RecordFilter& filter, std::int64_t time_unix_ns) {
  const WallTime time = FromUnixNanoseconds(time_unix_ns);
  return (!filter.from || time >= *filter.from) && (!filter.to || time < *filter.to);
}

bool OriginWanted(const RecordFilter& filter, const OriginRow& origin) {
  return (!filter.origin || *filter.origin == origin.spool_id) &&
         (!filter.host || *filter.host == origin.host.hostname);
}

// Where a person finds the record or block.
std::string PlaceOf(const std::filesystem::path& path, const OriginRow& origin,
                    const std::string& what) {
  return path.string() + ": origin " + origin.spool_id.Hex() + ", " + what;
}

}  // namespace

const Result<DecodedBlock>& Reader::Impl::Decode(const StoredBlock& stored) {
  const bool known = open_block_ && open_block_->stored.range == stored.range &&
                     open_block_->stored.checksum == stored.checksum &&
                     open_block_->stored.payload == stored.payload;
  if (!known) {
    auto decoded = decoder_.Block(stored);
    open_block_.emplace(OpenBlock{stored, std::move(decoded)});
  }
  return open_block_->decoded;
}

bool Reader::Impl::VisitRecords(const StoredRun& run, const VisitContext& context) {
  Sequence& position = positions_[context.origin.number];
  for (const StoredRecord& stored : run.records) {
    position = stored.sequence;
    const DeliveryState state = StateOf(context.settled, context.local, stored.sequence);
    if (context.filter.state && *context.filter.state != state) continue;
    if (!TimeWanted(context.filter, stored.time_unix_ns)) continue;
    Record record{context.origin.spool_id,
                  stored.sequence,
                  FromUnixNanoseconds(stored.time_unix_ns),
                  state,
                  {}};
    const auto decode = [&]() -> Result<void> {
      if (stored.kind == RecordKind::kEvent) {
        DOAGENT_ASSIGN(DecodedEvent event, RecordDecoder::Event(stored));
        record.content = std::move(event.event);
        return {};
      }
      DOAGENT_ASSIGN(NumberedSnapshot row, decoder_.Row(stored));
      record.content = std::move(row.snapshot);
      return {};
    };
    if (const auto decoded = decode(); !decoded) {
      context.damaged({decoded.error().code,
                       PlaceOf(path_, context.origin, "record " + std::to_string(stored.sequence)),
                       decoded.error().Message()});
      continue;
    }
    if (!context.visit(record)) return false;
  }
  return true;
}

bool Reader::Impl::VisitBlock(const StoredRun& run, const VisitContext& context) {
  Sequence& position = positions_[context.origin.number];
  const bool overlaps =
      (!context.filter.from ||
       FromUnixNanoseconds(run.block->last_time_unix_ns) >= *context.filter.from) &&
      (!context.filter.to ||
       FromUnixNanoseconds(run.block->first_time_unix_ns) < *context.filter.to);
  if (!overlaps) {
    position = run.covered.last;
    return true;
  }
  const auto& block = Decode(*run.block);
  if (!block) {
    const auto [first, last] = run.block->range;
    context.damaged({block.error().code,
                     PlaceOf(path_, context.origin,
                             "block " + std::to_string(first) + "-" + std::to_string(last)),
                     block.error().Message()});
    position = run.covered.last;
    return true;
  }
  const auto& sequences = block->sequences();
  const auto begin = std::lower_bound(sequences.begin(), sequences.end(), run.covered.first);
  for (auto i = static_cast<std::size_t>(begin - sequences.begin());
       i < block->size() && sequences[i] <= run.covered.last; ++i) {
    position = sequences[i];
    const DeliveryState state = StateOf(context.settled, context.local, sequences[i]);
    if (context.filter.state && *context.filter.state != state) continue;
    if (!TimeWanted(context.filter, block->time_unix_ns(i))) continue;
    const Record record{context.origin.spool_id, sequences[i],
                        FromUnixNanoseconds(block->time_unix_ns(i)), state, block->At(i)};
    if (!context.visit(record)) return false;
  }
  position = run.covered.last;
  return true;
}

Result<bool> Reader::Impl::VisitOrigin(const VisitContext& context) {
  const OriginNumber origin = context.origin.number;
  DOAGENT_ASSIGN(const Sequence head, HeadOf(*database_, origin));
  while (positions_[origin] < head) {
    DOAGENT_ASSIGN(const auto run, runs_.Next(origin, positions_[origin] + 1, head, kChunk));
    if (!run) break;
    const bool go_on = run->block ? VisitBlock(*run, context) : VisitRecords(*run, context);
    if (!go_on) return false;
  }
  return true;
}

Result<void> Reader::Impl::Visit(const RecordFilter& filter,
                                 const std::function<bool(const Record&)>& visit,
                                 const std::function<void(const Error&)>& damaged) {
  DOAGENT_ASSIGN(const bool local, Local());
  DOAGENT_ASSIGN(SettledByOrigin settled, LoadSettled());
  DOAGENT_ASSIGN(const auto origins, LoadOrigins(*database_));
  for (const auto& origin : origins) {
    if (!OriginWanted(filter, origin)) continue;
    DOAGENT_ASSIGN(const bool go_on,
                   VisitOrigin({filter, visit, damaged, origin, settled[origin.number], local}));
    if (!go_on) break;
  }
  return {};
}

Reader::Reader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reader::~Reader() = default;

Result<std::unique_ptr<Reader>> Reader::Open(const std::filesystem::path& path) {
  DOAGENT_ASSIGN(auto database, OpenForReading(path));
  DOAGENT_ASSIGN(const Role role, RoleOf(*database));
  DOAGENT_ASSIGN(RunReader runs, RunReader::Prepare(*database));
  DOAGENT_ASSIGN(ObjectTable objects, ObjectTable::Prepare(*database));
  return std::unique_ptr<Reader>(new Reader(std::make_unique<Impl>(
      path, std::move(database), std::move(runs), std::move(objects), role == Role::kReceiver)));
}

Result<SpoolStatus> Reader::Status() {
  return impl_->Status();
}
Result<std::vector<Origin>> Reader::Origins() {
  return impl_->Origins();
}
Result<std::vector<ParkedRecord>> Reader::Parked() {
  return impl_->Parked();
}
Result<void> Reader::Visit(const RecordFilter& filter,
                           const std::function<bool(const Record&)>& visit,
                           const std::function<void(const Error&)>& damaged) {
  return impl_->Visit(filter, visit, damaged);
}
void Reader::Rewind() {
  impl_->Rewind();
}

}  // namespace doagent::spool
