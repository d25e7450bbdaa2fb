// Which devices, mounts or fields a collector shows: regular expressions as node_exporter takes
// them. They are RE2's, which are Go's, and match anywhere in the name unless anchored.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "spool/result.h"

namespace re2 {
class RE2;
}  // namespace re2

namespace doagent::collector {

class NamePattern {
 public:
  // `option` is what an error names, such as "collector.vmstat.fields". An empty pattern matches
  // every name.
  static Result<NamePattern> Compile(const std::string& option, const std::string& pattern);

  NamePattern(NamePattern&&) noexcept;
  NamePattern& operator=(NamePattern&&) noexcept;
  ~NamePattern();

  bool Matches(std::string_view name) const;

 private:
  explicit NamePattern(std::unique_ptr<re2::RE2> pattern);

  std::unique_ptr<re2::RE2> pattern_;
};

// What matches `exclude` is left out, or else what does not match `include`; an empty one of them
// is not applied. REQUIRES that not both are given: whoever reads the settings refuses that.
class NameFilter {
 public:
  static Result<NameFilter> Compile(const std::string& include_option, const std::string& include,
                                    const std::string& exclude_option, const std::string& exclude);

  bool Accepts(std::string_view name) const;

 private:
  NameFilter(NamePattern pattern, bool is_include, bool accepts_all)
      : pattern_(std::move(pattern)), is_include_(is_include), accepts_all_(accepts_all) {}

  NamePattern pattern_;
  bool is_include_;
  bool accepts_all_;
};

}  // namespace doagent::collector
