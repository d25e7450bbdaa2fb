#include "tools/cli/exposition.h"

#include <algorithm>
#include <cstdint>
#include <map>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tools/cli/metric_family.h"
#include "tools/cli/sample_format.h"

namespace doagent::cli {
namespace {

struct Sample {
  std::string series;  // `name{labels}`
  std::string group;   // of a histogram's or summary's part; else empty
  FamilyPart part = FamilyPart::kValue;
  double value = 0;
};

using Families = std::map<std::string_view, std::vector<Sample>>;

// The samples by family, whose names stand in the table.
Families Group(const spool::Snapshot& snapshot, FamilyTable& table) {
  Families families;
  for (const spool::Section& section : snapshot.sections) {
    const spool::Schema& schema = *section.schema;
    for (std::size_t i = 0; i < schema.size(); ++i) {
      if (section.present[i] == 0) continue;
      const spool::Family& family = schema.family_of(i);
      Sample sample;
      AppendSeries(schema, i, sample.series);
      const MetricIdentity identity = IdentityOf(family);
      if (HasParts(identity.type)) {
        sample.group = GroupLabels(identity, schema.series()[i].labels);
        sample.part = identity.part;
      }
      sample.value = spool::ToDouble(family.representation, section.values[i]);
      families[table.Declare(family)].push_back(std::move(sample));
    }
  }
  return families;
}

// Keeps the last sample of every series, at the place of the first; returns how many went.
std::size_t RemoveDuplicates(std::vector<Sample>& samples) {
  std::unordered_map<std::string_view, std::size_t> places;
  std::vector<Sample> kept;
  kept.reserve(samples.size());  // so that the keys, which point into it, stay valid
  for (Sample& sample : samples) {
    if (const auto found = places.find(sample.series); found != places.end()) {
      kept[found->second].value = sample.value;
      continue;
    }
    kept.push_back(std::move(sample));
    places.emplace(kept.back().series, kept.size() - 1);
  }
  const std::size_t removed = samples.size() - kept.size();
  samples = std::move(kept);
  return removed;
}

void AppendDeclaration(std::string_view name, const Declaration& declaration, std::string& out) {
  if (!declaration.help.empty()) {
    out += "# HELP ";
    out += name;
    out += ' ';
    AppendHelp(declaration.help, false, out);
    out += '\n';
  }
  out += "# TYPE ";
  out += name;
  out += ' ';
  out += spool::Name(declaration.type);
  out += '\n';
}

}  // namespace

std::size_t AppendExposition(const spool::Snapshot& snapshot, std::string& out) {
  FamilyTable table;
  std::size_t removed = 0;
  for (auto& [name, samples] : Group(snapshot, table)) {
    removed += RemoveDuplicates(samples);
    std::stable_sort(samples.begin(), samples.end(), [](const Sample& a, const Sample& b) {
      return a.group != b.group ? a.group < b.group : a.part < b.part;
    });
    AppendDeclaration(name, table.Get(std::string(name)), out);
    for (const Sample& sample : samples) {
      out += sample.series;
      out += ' ';
      AppendDouble(sample.value, out);
      out += '\n';
    }
  }
  return removed;
}

}  // namespace doagent::cli
