// The codecs of the spool over a recorded host. Rows stand beside the plain way, every present
// value as a double and each snapshot compressed by itself; sealed blocks beside doubles in columns
// with zstd, and beside Gorilla's chunks of 120 samples.
//
//   spool_bench [--trace FILE] [--step 1|10] [--ticks N]      both steps when none is named

#include <zstd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

#include "spool/block_codec.h"
#include "spool/check.h"
#include "spool/record_codec.h"
#include "tests/bench/figures.h"
#include "tests/bench/reference_encoders.h"
#include "tests/bench/trace.h"
#include "tests/support/object_set.h"

namespace doagent::bench {
namespace {

constexpr int kRounds = 7;
constexpr int kKeyInterval = 60;  // as the agent has it
constexpr int kZstdLevel = 1;
constexpr std::size_t kSamplesPerTiming = 1'000'000;  // at least, lest a cold cache is all we see

struct Rows {
  std::vector<spool::StoredRecord> records;
  test::ObjectSet objects;
  std::size_t row_bytes = 0;
  std::size_t key_bytes = 0;
  std::size_t schema_bytes = 0;
};

Rows Encode(const Trace& trace) {
  Rows rows;
  spool::RowEncoder encoder(1, kKeyInterval);
  for (const spool::Snapshot& snapshot : trace.snapshots) {
    spool::EncodedRow row = encoder.Encode(snapshot, rows.records.size() + 1);
    encoder.Commit();
    rows.row_bytes += row.record.payload.size() + sizeof row.record.checksum;
    for (const auto& object : row.objects) {
      const bool schema = object.kind == spool::ObjectKind::kSchema;
      (schema ? rows.schema_bytes : rows.key_bytes) += object.payload.size() + ObjectId::kBytes;
    }
    rows.objects.Add(row.objects);
    rows.records.push_back(std::move(row.record));
  }
  return rows;
}

// Everything that a reader does with rows; the number of values, so that nothing is left out.
std::size_t Decode(const Rows& rows) {
  std::size_t values = 0;
  std::unordered_map<ObjectId, spool::Key, ObjectId::Hash> keys;
  for (const spool::StoredRecord& record : rows.records) {
    auto found = keys.find(record.key);
    if (found == keys.end()) {
      auto key = rows.objects.FindKey(record.key);
      DOAGENT_CHECK(key.has_value());
      found = keys.emplace(record.key, *std::move(key)).first;
    }
    DOAGENT_CHECK(spool::VerifyChecksum(record).has_value());
    const auto snapshot = spool::DecodeRow(record, found->second);
    DOAGENT_CHECK(snapshot.has_value());
    for (const auto& section : snapshot->sections) {
      for (const std::uint8_t present : section.present) values += present;
    }
  }
  return values;
}

struct PlainRows {
  std::vector<std::string> rows;
  std::size_t bytes = 0;
};

PlainRows EncodePlain(const Trace& trace) {
  PlainRows plain;
  std::vector<double> values;
  for (const spool::Snapshot& snapshot : trace.snapshots) {
    values.clear();
    for (const auto& section : snapshot.sections) {
      for (std::size_t i = 0; i < section.values.size(); ++i) {
        if (section.present[i] == 0) continue;
        values.push_back(
            spool::ToDouble(section.schema->family_of(i).representation, section.values[i]));
      }
    }
    std::string row(ZSTD_compressBound(values.size() * sizeof(double)), '\0');
    row.resize(ZSTD_compress(row.data(), row.size(), values.data(), values.size() * sizeof(double),
                             kZstdLevel));
    plain.bytes += row.size();
    plain.rows.push_back(std::move(row));
  }
  return plain;
}

std::size_t DecodePlain(const PlainRows& plain) {
  std::size_t count = 0;
  std::vector<double> values;
  for (const std::string& row : plain.rows) {
    values.resize(ZSTD_getFrameContentSize(row.data(), row.size()) / sizeof(double));
    ZSTD_decompress(values.data(), values.size() * sizeof(double), row.data(), row.size());
    count += values.size();
  }
  return count;
}

template <typename Work>
double CpuSecondsOf(const Work& work) {
  const double before = ThreadCpuSeconds();
  work();
  return ThreadCpuSeconds() - before;
}

void MeasureRows(const Trace& trace, const std::string& step) {
  const auto samples = static_cast<double>(trace.samples);
  const std::string name = "spool.rows_" + step + "s.";
  const Rows rows = Encode(trace);
  const PlainRows plain = EncodePlain(trace);

  std::vector<double> encode;
  std::vector<double> encode_plain;
  std::vector<double> decode;
  std::vector<double> decode_plain;
  for (int round = 0; round < kRounds; ++round) {  // in turn, so that noise meets both
    encode.push_back(CpuSecondsOf([&] { DOAGENT_CHECK(!Encode(trace).records.empty()); }));
    encode_plain.push_back(CpuSecondsOf([&] { DOAGENT_CHECK(EncodePlain(trace).bytes > 0); }));
    decode.push_back(CpuSecondsOf([&] { DOAGENT_CHECK(Decode(rows) == trace.samples); }));
    decode_plain.push_back(
        CpuSecondsOf([&] { DOAGENT_CHECK(DecodePlain(plain) == trace.samples); }));
  }

  PrintFigure(name + "snapshots", static_cast<double>(trace.snapshots.size()), "snapshots");
  PrintFigure(name + "samples", samples / static_cast<double>(trace.snapshots.size()),
              "per_snapshot");
  PrintFigure(name + "size", static_cast<double>(rows.row_bytes + rows.key_bytes) / samples,
              "B/sample", static_cast<double>(plain.bytes) / samples);
  PrintFigure(name + "of_it_keys", static_cast<double>(rows.key_bytes) / samples, "B/sample");
  PrintFigure(name + "schemas_apart", static_cast<double>(rows.schema_bytes), "B");
  PrintFigure(name + "encode", Median(encode) / samples * 1e9, "ns/sample",
              Median(encode_plain) / samples * 1e9);
  PrintFigure(name + "decode", Median(decode) / samples * 1e9, "ns/sample",
              Median(decode_plain) / samples * 1e9);
}

// A run of snapshots as one sealed block, with what stands beside its payload in the table: times,
// checksum, range and layout id.
struct Sealed {
  std::vector<spool::StoredBlock> blocks;
  std::vector<std::vector<spool::LayoutPtr>> layouts;  // of each block
  std::size_t bytes = 0;
};

using Run = std::vector<spool::NumberedSnapshot>;

std::vector<Run> Runs(const Trace& trace, std::size_t length) {
  std::vector<Run> runs;
  Sequence sequence = 0;
  for (const spool::Snapshot& snapshot : trace.snapshots) {
    if (runs.empty() || runs.back().size() == length) runs.emplace_back();
    runs.back().push_back({++sequence, 1, snapshot});
  }
  return runs;
}

// The finder knows the schemas from one call to the next, as an agent does for as long as it runs.
Sealed Seal(const std::vector<Run>& runs, spool::LayoutFinder& finder) {
  Sealed sealed;
  for (const Run& run : runs) {
    auto encoded = spool::EncodeBlocks(run, finder);
    DOAGENT_CHECK(encoded.size() == 1);
    spool::StoredBlock& block = encoded.front().block;
    sealed.bytes += block.payload.size() + block.holes.size() + sizeof block.range +
                    sizeof block.checksum + sizeof block.first_time_unix_ns +
                    sizeof block.last_time_unix_ns + block.layouts.size() * ObjectId::kBytes;
    DOAGENT_CHECK(block.layouts.size() == 1);
    const auto found = finder.Find(run.front().snapshot);
    sealed.layouts.push_back({found.layout});
    sealed.blocks.push_back(std::move(block));
  }
  return sealed;
}

std::size_t DecodeSealed(const Sealed& sealed, bool as_snapshots) {
  std::size_t samples = 0;
  for (std::size_t i = 0; i < sealed.blocks.size(); ++i) {
    DOAGENT_CHECK(spool::VerifyChecksum(sealed.blocks[i]).has_value());
    const auto block = spool::DecodeBlock(sealed.blocks[i], sealed.layouts[i]);
    DOAGENT_CHECK(block.has_value());
    samples += block->size();
    for (std::size_t row = 0; as_snapshots && row < block->size(); ++row) {
      samples += block->At(row).sections.size();
    }
  }
  return samples;
}

// The columns of each run, as whoever encodes doubles would hold them.
std::vector<std::vector<DoubleColumn>> ColumnsOf(const std::vector<Run>& runs) {
  std::vector<std::vector<DoubleColumn>> columns;
  for (const Run& run : runs) {
    std::vector<spool::Snapshot> snapshots;
    for (const auto& one : run) snapshots.push_back(one.snapshot);
    columns.push_back(DoubleColumns(snapshots));
  }
  return columns;
}

struct Reference {
  std::vector<std::string> frames;
  std::vector<std::vector<std::string>> chunks;  // of each series of each run
  std::size_t bytes = 0;
};

Reference EncodeWithZstd(const std::vector<std::vector<DoubleColumn>>& runs) {
  Reference reference;
  for (const auto& columns : runs) {
    reference.frames.push_back(EncodeDoublesZstd(columns));
    reference.bytes += reference.frames.back().size();
  }
  return reference;
}

Reference EncodeWithGorilla(const std::vector<std::vector<DoubleColumn>>& runs) {
  Reference reference;
  for (const auto& columns : runs) {
    for (const DoubleColumn& column : columns) {
      reference.chunks.push_back(EncodeGorilla(column));
      for (const auto& chunk : reference.chunks.back()) reference.bytes += chunk.size();
    }
  }
  return reference;
}

std::size_t DecodeFromGorilla(const Reference& reference) {
  std::size_t samples = 0;
  for (const auto& chunks : reference.chunks) samples += DecodeGorilla(chunks).values.size();
  return samples;
}

void MeasureBlocks(const Trace& trace, const std::string& step, std::size_t length) {
  const auto samples = static_cast<double>(trace.samples);
  const std::string name = "spool.sealed_" + step + "s_x" + std::to_string(length) + ".";
  const std::vector<Run> runs = Runs(trace, length);
  const auto columns = ColumnsOf(runs);
  spool::LayoutFinder finder;
  const Sealed sealed = Seal(runs, finder);
  const Reference zstd = EncodeWithZstd(columns);
  const Reference gorilla = EncodeWithGorilla(columns);
  DOAGENT_CHECK(DecodeFromGorilla(gorilla) == trace.samples);

  std::vector<double> encode;
  std::vector<double> encode_gorilla;
  std::vector<double> decode;
  std::vector<double> decode_snapshots;
  std::vector<double> decode_gorilla;
  const std::size_t repeats = kSamplesPerTiming / trace.samples + 1;
  const auto cost = [repeats](const auto& work) {
    const double seconds = CpuSecondsOf([&] {
      for (std::size_t i = 0; i < repeats; ++i) work();
    });
    return seconds / static_cast<double>(repeats);
  };
  for (int round = 0; round < kRounds; ++round) {  // in turn, so that noise meets all
    encode.push_back(cost([&] { DOAGENT_CHECK(Seal(runs, finder).bytes == sealed.bytes); }));
    encode_gorilla.push_back(
        cost([&] { DOAGENT_CHECK(EncodeWithGorilla(columns).bytes == gorilla.bytes); }));
    decode.push_back(cost([&] { DOAGENT_CHECK(DecodeSealed(sealed, false) > 0); }));
    decode_snapshots.push_back(cost([&] { DOAGENT_CHECK(DecodeSealed(sealed, true) > 0); }));
    decode_gorilla.push_back(
        cost([&] { DOAGENT_CHECK(DecodeFromGorilla(gorilla) == trace.samples); }));
  }

  PrintFigure(name + "size_to_zstd", static_cast<double>(sealed.bytes) / samples, "B/sample",
              static_cast<double>(zstd.bytes) / samples);
  PrintFigure(name + "size_to_gorilla", static_cast<double>(sealed.bytes) / samples, "B/sample",
              static_cast<double>(gorilla.bytes) / samples);
  PrintFigure(name + "encode_to_gorilla", Median(encode) / samples * 1e9, "ns/sample",
              Median(encode_gorilla) / samples * 1e9);
  PrintFigure(name + "decode_to_gorilla", Median(decode) / samples * 1e9, "ns/sample",
              Median(decode_gorilla) / samples * 1e9);
  PrintFigure(name + "decode_snapshots_to_gorilla", Median(decode_snapshots) / samples * 1e9,
              "ns/sample", Median(decode_gorilla) / samples * 1e9);
}

}  // namespace
}  // namespace doagent::bench

int main(int argc, char** argv) {
  using namespace doagent::bench;
  const Options options(argc, argv, {"--trace", "--step", "--ticks"});
  const std::string file = options.Get("--trace", DOAGENT_TRACE);
  const int ticks = options.GetCount("--ticks", 1'000'000);
  const int chosen = options.GetCount("--step", 0);
  for (const int step : chosen == 0 ? std::vector{1, 10} : std::vector{chosen}) {
    const auto trace =
        LoadTrace(file, static_cast<std::size_t>(step), static_cast<std::size_t>(ticks));
    if (!trace) {
      std::fprintf(stderr, "spool_bench: %s\n", trace.error().Message().c_str());
      return 3;
    }
    MeasureRows(*trace, std::to_string(step));
    if (step != 1) MeasureBlocks(*trace, std::to_string(step), 60);
    MeasureBlocks(*trace, std::to_string(step), 360);
  }
}
