#include "tools/cli/selector.h"

#include <re2/re2.h>

#include <algorithm>

#include "tools/cli/quoted_string.h"
#include "tools/cli/scanner.h"

namespace doagent::cli {
namespace {

constexpr std::string_view kMetricNameLabel = "__name__";

// Of a compiled expression. RE2's default of 8 MiB is meant for long lists; this refuses nested
// repetitions such as (a{1000}){1000} early.
constexpr std::int64_t kPatternBytesMax = 1 << 20;

std::string_view Symbol(MatchOperator op) {
  switch (op) {
    case MatchOperator::kEqual: return "=";
    case MatchOperator::kNotEqual: return "!=";
    case MatchOperator::kMatches: return "=~";
    case MatchOperator::kNotMatches: return "!~";
  }
  return "=";
}

re2::StringPiece Piece(std::string_view text) {
  return {text.data(), text.size()};
}

std::string_view FindLabel(const std::vector<spool::Label>& labels, std::string_view name) {
  const auto found = std::find_if(labels.begin(), labels.end(),
                                  [&](const spool::Label& label) { return label.name == name; });
  return found == labels.end() ? std::string_view() : std::string_view(found->value);
}

Result<MatchOperator> ReadOperator(Scanner& scanner) {
  if (scanner.Take("=~")) return MatchOperator::kMatches;
  if (scanner.Take("!~")) return MatchOperator::kNotMatches;
  if (scanner.Take("!=")) return MatchOperator::kNotEqual;
  if (scanner.Take("=")) return MatchOperator::kEqual;
  return scanner.Expected("=, !=, =~ or !~ after the label name");
}

Result<LabelMatcher> ReadMatcher(Scanner& scanner) {
  const std::string label(scanner.TakeName(Scanner::NameKind::kLabel));
  if (label.empty()) return scanner.Expected("a label name or }");
  scanner.SkipSpace();
  DOAGENT_ASSIGN(const MatchOperator op, ReadOperator(scanner));
  scanner.SkipSpace();
  const std::size_t position = scanner.position();
  DOAGENT_ASSIGN(std::string value, ReadQuotedString(scanner));
  auto matcher = LabelMatcher::Create(label, op, std::move(value));
  if (!matcher) return scanner.FailAt(position, matcher.error().what);
  return matcher;
}

// REQUIRES the scanner behind the opening brace; leaves it behind the closing one.
Result<void> ReadMatchers(Scanner& scanner, std::vector<LabelMatcher>& matchers) {
  const bool name_given = !matchers.empty();
  scanner.SkipSpace();
  while (!scanner.Take("}")) {
    const std::size_t position = scanner.position();
    DOAGENT_ASSIGN(LabelMatcher matcher, ReadMatcher(scanner));
    if (name_given && matcher.label() == kMetricNameLabel) {
      return scanner.FailAt(position, "the metric name is given twice; leave one out");
    }
    matchers.push_back(std::move(matcher));
    if (matchers.size() > kSelectorMatchersMax) {
      return scanner.FailAt(position,
                            "more than " + std::to_string(kSelectorMatchersMax) +
                                " matchers; use a regular expression, or several selectors");
    }
    scanner.SkipSpace();
    if (!scanner.Take(",") && !scanner.Peek('}')) return scanner.Expected(", or }");
    scanner.SkipSpace();
  }
  return {};
}

}  // namespace

Result<LabelMatcher> LabelMatcher::Create(std::string label, MatchOperator op, std::string value) {
  LabelMatcher matcher;
  matcher.label_ = std::move(label);
  matcher.operator_ = op;
  matcher.value_ = std::move(value);
  if (op == MatchOperator::kEqual || op == MatchOperator::kNotEqual) return matcher;
  re2::RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kPatternBytesMax);
  matcher.pattern_ = std::make_shared<const re2::RE2>(Piece(matcher.value_), options);
  if (!matcher.pattern_->ok()) {
    return Fail(ErrorCode::kRefuse, matcher.label_,
                "not a regular expression of RE2: " + matcher.pattern_->error());
  }
  return matcher;
}

bool LabelMatcher::Matches(std::string_view value) const {
  switch (operator_) {
    case MatchOperator::kEqual: return value == value_;
    case MatchOperator::kNotEqual: return value != value_;
    case MatchOperator::kMatches: return re2::RE2::FullMatch(Piece(value), *pattern_);
    case MatchOperator::kNotMatches: return !re2::RE2::FullMatch(Piece(value), *pattern_);
  }
  return false;
}

std::string LabelMatcher::ToString() const {
  std::string out = label_;
  out += Symbol(operator_);
  AppendQuotedString(value_, out);
  return out;
}

Result<Selector> Selector::Parse(std::string_view text) {
  Scanner scanner("selector", text);
  if (text.size() > kSelectorBytesMax) {
    return scanner.FailAt(kSelectorBytesMax, "longer than " + std::to_string(kSelectorBytesMax) +
                                                 " bytes; give several shorter selectors instead");
  }
  Selector selector;
  scanner.SkipSpace();
  const std::string_view metric = scanner.TakeName(Scanner::NameKind::kMetric);
  if (!metric.empty()) {
    DOAGENT_ASSIGN(LabelMatcher name,
                   LabelMatcher::Create(std::string(kMetricNameLabel), MatchOperator::kEqual,
                                        std::string(metric)));
    selector.matchers_.push_back(std::move(name));
  }
  scanner.SkipSpace();
  const std::size_t brace = scanner.position();
  if (scanner.Take("{")) {
    DOAGENT_TRY(ReadMatchers(scanner, selector.matchers_));
  } else if (metric.empty()) {
    return scanner.Expected("a metric name or {");
  }
  scanner.SkipSpace();
  if (!scanner.AtEnd()) {
    return scanner.Expected("the end (a selector takes no range, offset or function)");
  }
  const bool selects_empty =
      std::all_of(selector.matchers_.begin(), selector.matchers_.end(),
                  [](const LabelMatcher& matcher) { return matcher.Matches(""); });
  if (selects_empty) {
    return scanner.FailAt(brace, "selects every series; name a metric, or a label's value");
  }
  return selector;
}

bool Selector::Matches(std::string_view metric, const std::vector<spool::Label>& labels) const {
  return std::all_of(matchers_.begin(), matchers_.end(), [&](const LabelMatcher& matcher) {
    return matcher.Matches(
        matcher.label() == kMetricNameLabel ? metric : FindLabel(labels, matcher.label()));
  });
}

std::string Selector::ToString() const {
  std::string out = "{";
  for (const LabelMatcher& matcher : matchers_) {
    if (out.size() > 1) out += ',';
    out += matcher.ToString();
  }
  return out + "}";
}

bool AnyMatches(const std::vector<Selector>& selectors, const spool::Schema& schema,
                std::size_t series) {
  if (selectors.empty()) return true;
  return std::any_of(selectors.begin(), selectors.end(), [&](const Selector& selector) {
    return selector.Matches(schema.family_of(series).name, schema.series()[series].labels);
  });
}

}  // namespace doagent::cli
