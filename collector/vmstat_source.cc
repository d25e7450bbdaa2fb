// The collector "vmstat": the fields of /proc/vmstat that its option "fields" matches.

#include <optional>
#include <vector>

#include "collector/position_cache.h"
#include "collector/proc_file.h"
#include "collector/sources.h"
#include "collector/vmstat.h"

namespace doagent::collector {
namespace {

class VmstatSource final : public Source {
 public:
  VmstatSource(ProcFile file, NamePattern fields_shown)
      : Source("vmstat"), file_(std::move(file)), fields_shown_(std::move(fields_shown)) {}

  Result<void> Collect(const Tick& /*tick*/) override {
    const auto parse = [&](std::string_view text) { return ParseVmstat(text, fields_); };
    DOAGENT_ASSIGN(const bool found, ReadAndParse(file_, parse));
    if (!found) return {};
    families_.Begin();
    for (const auto& field : fields_) {
      const auto& family = families_.Next(field.name, [&] { return Declare(field.name); });
      if (family) builder_.Add(*family, field.value);
    }
    families_.End();
    return {};
  }

 private:
  using MaybeFamily = std::optional<SectionBuilder::FamilyId>;

  // Nothing: the field is not to be shown.
  MaybeFamily Declare(std::string_view field) {
    if (!fields_shown_.Matches(field)) return std::nullopt;
    const std::string name = "node_vmstat_" + std::string(field);
    const std::string help = "/proc/vmstat information field " + std::string(field) + ".";
    return builder_.Declare({.name = name,
                             .help = help,
                             .type = spool::MetricType::kUntyped,
                             .representation = kPlain});
  }

  ProcFile file_;
  const NamePattern fields_shown_;
  std::vector<VmstatField> fields_;
  PositionCache<MaybeFamily> families_;
};

}  // namespace

SourceResult MakeVmstatSource(const SourceContext& context) {
  DOAGENT_ASSIGN(auto fields, context.settings.GetPattern("fields"));
  return std::make_unique<VmstatSource>(context.ProcTable("vmstat"), std::move(fields));
}

}  // namespace doagent::collector
