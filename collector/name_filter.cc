#include "collector/name_filter.h"

#include <re2/re2.h>

#include <utility>

#include "spool/check.h"

namespace doagent::collector {
namespace {

constexpr std::int64_t kMemoryBytesMax = std::int64_t{8} << 20;

re2::StringPiece Piece(std::string_view text) {
  return {text.data(), text.size()};
}

}  // namespace

NamePattern::NamePattern(std::unique_ptr<re2::RE2> pattern) : pattern_(std::move(pattern)) {}
NamePattern::NamePattern(NamePattern&&) noexcept = default;
NamePattern& NamePattern::operator=(NamePattern&&) noexcept = default;
NamePattern::~NamePattern() = default;

Result<NamePattern> NamePattern::Compile(const std::string& option, const std::string& pattern) {
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMemoryBytesMax);
  auto compiled = std::make_unique<re2::RE2>(pattern, options);
  if (!compiled->ok()) {
    return Fail(
        ErrorCode::kRefuse, option,
        "\"" + pattern + "\" is not a regular expression (RE2 syntax): " + compiled->error());
  }
  return NamePattern(std::move(compiled));
}

bool NamePattern::Matches(std::string_view name) const {
  return re2::RE2::PartialMatch(Piece(name), *pattern_);
}

Result<NameFilter> NameFilter::Compile(const std::string& include_option,
                                       const std::string& include,
                                       const std::string& exclude_option,
                                       const std::string& exclude) {
  DOAGENT_CHECK(include.empty() || exclude.empty());
  const bool is_include = !include.empty();
  DOAGENT_ASSIGN(auto pattern, NamePattern::Compile(is_include ? include_option : exclude_option,
                                                    is_include ? include : exclude));
  return NameFilter(std::move(pattern), is_include, include.empty() && exclude.empty());
}

bool NameFilter::Accepts(std::string_view name) const {
  return accepts_all_ || pattern_.Matches(name) == is_include_;
}

}  // namespace doagent::collector
