// Prometheus' instant-vector selector: `node_cpu_seconds_total{mode="idle",cpu=~"0|1"}`.
//
// As in PromQL: =, !=, =~, !~; regular expressions are RE2's and match the whole value; a label
// that a series does not have counts as empty; `__name__` is the metric's name; strings stand in
// double or single quotes with Go's escapes, or in backquotes without any; at least one matcher
// must refuse the empty value, since `{}` or `{job=~".*"}` selects everything by accident.
// Immutable after parsing, so safe to use from several threads.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "spool/model.h"
#include "spool/result.h"

namespace re2 {
class RE2;
}

namespace doagent::cli {

inline constexpr std::size_t kSelectorBytesMax = 4096;
inline constexpr std::size_t kSelectorMatchersMax = 64;

enum class MatchOperator { kEqual, kNotEqual, kMatches, kNotMatches };

class LabelMatcher {
 public:
  // kRefuse: a value that is no regular expression, or too costly a one, where one is wanted.
  static Result<LabelMatcher> Create(std::string label, MatchOperator op, std::string value);

  const std::string& label() const { return label_; }
  bool Matches(std::string_view value) const;
  // `mode=~"idle|user"`.
  std::string ToString() const;

 private:
  LabelMatcher() = default;

  std::string label_;
  MatchOperator operator_ = MatchOperator::kEqual;
  std::string value_;
  std::shared_ptr<const re2::RE2> pattern_;  // of the two regular expression operators
};

class Selector {
 public:
  // kRefuse: the error says at which character and what was expected there.
  static Result<Selector> Parse(std::string_view text);

  bool Matches(std::string_view metric, const std::vector<spool::Label>& labels) const;
  // The selector in one canonical form, which parses to the same selector.
  std::string ToString() const;

 private:
  std::vector<LabelMatcher> matchers_;
};

// Whether a series is selected by any of the selectors; without selectors, every one is.
bool AnyMatches(const std::vector<Selector>& selectors, const spool::Schema& schema,
                std::size_t series);

}  // namespace doagent::cli
