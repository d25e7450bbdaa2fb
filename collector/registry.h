// The table of all collectors.
#pragma once

#include <vector>

#include "collector/options.h"
#include "collector/sources.h"

namespace doagent::collector {

struct RegistryEntry {
  CollectorInfo info;
  SourceResult (*make)(const SourceContext& context);
};

// By name.
std::vector<RegistryEntry> Registry();

}  // namespace doagent::collector
