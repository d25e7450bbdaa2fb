#include "tools/cli/metric_family.h"

#include <algorithm>
#include <iterator>

#include "spool/utf8.h"
#include "tools/cli/sample_format.h"

namespace doagent::cli {
namespace {

// Whether the name is more than the suffix and ends in it; cuts it off then.
bool CutSuffix(std::string_view suffix, std::string_view& name) {
  if (name.size() <= suffix.size()) return false;
  if (name.substr(name.size() - suffix.size()) != suffix) return false;
  name.remove_suffix(suffix.size());
  return true;
}

}  // namespace

MetricIdentity IdentityOf(const spool::Family& family) {
  MetricIdentity identity{family.name, family.type, FamilyPart::kValue};
  if (family.representation.kind == spool::ValueKind::kConstant) {
    identity.type = spool::MetricType::kGauge;  // an info metric
    return identity;
  }
  if (family.type != spool::MetricType::kHistogram && family.type != spool::MetricType::kSummary) {
    return identity;
  }
  if (CutSuffix("_sum", identity.family)) {
    identity.part = FamilyPart::kSum;
  } else if (CutSuffix("_count", identity.family)) {
    identity.part = FamilyPart::kCount;
  } else if (family.type == spool::MetricType::kHistogram &&
             !CutSuffix("_bucket", identity.family)) {
    identity.type = spool::MetricType::kUntyped;
  }
  return identity;
}

std::string GroupLabels(const MetricIdentity& identity, const std::vector<spool::Label>& labels) {
  const std::string_view left_out = identity.type == spool::MetricType::kHistogram ? "le"
                                    : identity.type == spool::MetricType::kSummary ? "quantile"
                                                                                   : "";
  std::vector<spool::Label> common;
  std::copy_if(labels.begin(), labels.end(), std::back_inserter(common),
               [&](const spool::Label& label) { return label.name != left_out; });
  std::string text;
  AppendLabels(common, text);
  return text;
}

const std::string& FamilyTable::Declare(const spool::Family& family) {
  const MetricIdentity identity = IdentityOf(family);
  std::string name;
  AppendMetricName(identity.family, name);
  const auto [entry, is_new] = families_.try_emplace(std::move(name));
  Declaration& declaration = entry->second;
  if (is_new) declaration = {identity.type, family.help, family.unit};
  if (declaration.type != identity.type) declaration.type = spool::MetricType::kUntyped;
  return entry->first;
}

void AppendHelp(std::string_view help, bool escape_quotes, std::string& out) {
  ForEachCharacter(help, [&](std::string_view character, bool valid) {
    if (!valid) {
      out += kReplacementCharacter;
    } else if (character == "\\") {
      out += "\\\\";
    } else if (character == "\n") {
      out += "\\n";
    } else if (character == "\"" && escape_quotes) {
      out += "\\\"";
    } else {
      out += character;
    }
  });
}

}  // namespace doagent::cli
