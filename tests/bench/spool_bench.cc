// The codecs of the spool over a recorded host, beside the plain way: every present value as a
// double, each snapshot compressed by itself.
//
//   spool_bench [--trace FILE] [--step 1|10] [--ticks N]      both steps when none is named

#include <zstd.h>

#include <cstdio>
#include <cstring>
#include <string>
#include <unordered_map>
#include <vector>

#include "spool/check.h"
#include "spool/record_codec.h"
#include "tests/bench/figures.h"
#include "tests/bench/trace.h"
#include "tests/support/object_set.h"

namespace doagent::bench {
namespace {

constexpr int kRounds = 7;
constexpr int kKeyInterval = 60;  // as the agent has it
constexpr int kZstdLevel = 1;

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
  std::unordered_map<ObjectId, spool::KeySet, ObjectId::Hash> key_sets;
  for (const spool::StoredRecord& record : rows.records) {
    auto found = key_sets.find(record.key_set);
    if (found == key_sets.end()) {
      auto key_set = rows.objects.FindKeySet(record.key_set);
      DOAGENT_CHECK(key_set.has_value());
      found = key_sets.emplace(record.key_set, *std::move(key_set)).first;
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

void Measure(const Trace& trace, const std::string& step) {
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
    Measure(*trace, std::to_string(step));
  }
}
