// Hand-made schemas and snapshots for tests.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "spool/model.h"
#include "spool/spool.h"

namespace doagent::test {

// A collector with `gauges` signed series, one unsigned counter, one double and one info metric.
spool::SchemaPtr MakeSchema(const std::string& collector, int gauges);

// Every series present; values derived from the seed, different for every seed.
spool::Section MakeSection(const spool::SchemaPtr& schema, std::uint64_t seed);

// Two collectors, one second per tick.
spool::Snapshot MakeSnapshot(std::uint64_t tick);

BootId TestBootId();
spool::Host TestHost(const std::string& machine_id = "machine-1");

// A spool that writes as fast as it can and draws its ids from the seed.
spool::SpoolOptions TestSpoolOptions(const std::filesystem::path& path, std::uint64_t seed = 1);

// Equal in everything that a reader may see: presence, present values, clocks, schemas.
bool SameSnapshot(const spool::Snapshot& a, const spool::Snapshot& b);

}  // namespace doagent::test
