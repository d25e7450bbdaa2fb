// The collector "meminfo": a gauge for each field of /proc/meminfo, named after it.

#include <vector>

#include "collector/meminfo.h"
#include "collector/position_cache.h"
#include "collector/proc_file.h"
#include "collector/sources.h"

namespace doagent::collector {
namespace {

// As node_exporter writes it: Active(anon) in kB is Active_anon_bytes.
std::string MetricField(const MeminfoField& field) {
  std::string name;
  for (const char c : field.name) {
    if (c != ')') name += c == '(' ? '_' : c;
  }
  return field.kibibytes ? name + "_bytes" : name;
}

class MeminfoSource final : public Source {
 public:
  explicit MeminfoSource(ProcFile file) : Source("meminfo"), file_(std::move(file)) {}

  Result<void> Collect(const Tick& /*tick*/) override {
    const auto parse = [&](std::string_view text) { return ParseMeminfo(text, fields_); };
    DOAGENT_ASSIGN(const bool found, ReadAndParse(file_, parse));
    if (!found) return {};
    families_.Begin();
    for (const auto& field : fields_) {
      Family& family = families_.Next(field.name, [&] {
        return Family{field.kibibytes, Declare(field)};
      });
      if (family.kibibytes != field.kibibytes) family = {field.kibibytes, Declare(field)};
      builder_.Add(family.id, field.value);
    }
    families_.End();
    return {};
  }

 private:
  struct Family {
    bool kibibytes = false;
    SectionBuilder::FamilyId id = 0;
  };

  SectionBuilder::FamilyId Declare(const MeminfoField& field) {
    const std::string metric_field = MetricField(field);
    const std::string name = "node_memory_" + metric_field;
    const std::string help = "Memory information field " + metric_field + ".";
    const bool is_counter = metric_field.ends_with("_total");
    return builder_.Declare(
        {.name = name,
         .help = help,
         .type = is_counter ? spool::MetricType::kCounter : spool::MetricType::kGauge,
         .representation = field.kibibytes ? kTimes1024 : kPlain,
         .unit = field.kibibytes ? "bytes" : ""});
  }

  ProcFile file_;
  std::vector<MeminfoField> fields_;
  PositionCache<Family> families_;
};

}  // namespace

SourceResult MakeMeminfoSource(const SourceContext& context) {
  return std::make_unique<MeminfoSource>(
      ProcFile(context.ProcPath("meminfo"), ProcFile::Shape::kWhole, context.buffer));
}

}  // namespace doagent::collector
