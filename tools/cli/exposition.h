// One snapshot in Prometheus' text format 0.0.4: what node_exporter serves and `promtool check
// metrics` reads.
#pragma once

#include <cstddef>
#include <string>

#include "spool/model.h"

namespace doagent::cli {

// Appends the families, sorted by name, each with HELP and TYPE once and its samples together: the
// parts of one histogram or summary side by side, others in the order they come in. Of several
// samples of one series the last stays; returns how many were left out.
std::size_t AppendExposition(const spool::Snapshot& snapshot, std::string& out);

}  // namespace doagent::cli
