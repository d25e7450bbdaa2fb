// The collector "loadavg": the three load averages, from /proc/loadavg.

#include <array>

#include "collector/loadavg.h"
#include "collector/proc_file.h"
#include "collector/sources.h"

namespace doagent::collector {
namespace {

constexpr std::array<FamilySpec, 3> kLoads{{
    {.name = "node_load1", .help = "1m load average.", .representation = kPerHundred},
    {.name = "node_load5", .help = "5m load average.", .representation = kPerHundred},
    {.name = "node_load15", .help = "15m load average.", .representation = kPerHundred},
}};

class LoadavgSource final : public Source {
 public:
  explicit LoadavgSource(std::string path)
      : Source("loadavg"), file_(std::move(path), ProcFile::Shape::kValue) {
    for (std::size_t i = 0; i < kLoads.size(); ++i) ids_[i] = builder_.Declare(kLoads[i]);
  }

  Result<void> Collect(const Tick& /*tick*/) override {
    Loadavg load;
    const auto parse = [&](std::string_view text) -> Result<void> {
      DOAGENT_ASSIGN(load, ParseLoadavg(text));
      return {};
    };
    DOAGENT_ASSIGN(const bool found, ReadAndParse(file_, parse));
    if (!found) return {};
    for (std::size_t i = 0; i < ids_.size(); ++i) builder_.Add(ids_[i], load.hundredths[i]);
    return {};
  }

 private:
  ProcFile file_;
  std::array<SectionBuilder::FamilyId, kLoads.size()> ids_{};
};

}  // namespace

SourceResult MakeLoadavgSource(const SourceContext& context) {
  return std::make_unique<LoadavgSource>(context.ProcPath("loadavg"));
}

}  // namespace doagent::collector
