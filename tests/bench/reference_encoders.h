// What others do with the same samples, written for comparison: every value as a double.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "spool/model.h"

namespace doagent::bench {

// One series of a run of snapshots: its present samples.
struct DoubleColumn {
  std::vector<std::int64_t> unix_ms;
  std::vector<double> values;
};

std::vector<DoubleColumn> DoubleColumns(std::span<const spool::Snapshot> snapshots);

// The values of all columns, one after the other, and the times once, in one zstd frame.
std::string EncodeDoublesZstd(const std::vector<DoubleColumn>& columns);
// How many values there are in it.
std::size_t DecodeDoublesZstd(const std::string& frame);

// Chunks of at most 120 samples of one series, each timestamp as delta of delta and each value XOR
// the one before, bit by bit (Pelkonen et al., "Gorilla", VLDB 2015; with the time buckets that
// Prometheus uses).
std::vector<std::string> EncodeGorilla(const DoubleColumn& column);
DoubleColumn DecodeGorilla(const std::vector<std::string>& chunks);

}  // namespace doagent::bench
