#include "tools/cli/selector.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace doagent::cli {
namespace {

using ::testing::HasSubstr;

const std::vector<spool::Label> kIdle = {{"cpu", "0"}, {"mode", "idle"}};

bool Selects(std::string_view text, std::string_view metric,
             const std::vector<spool::Label>& labels) {
  const auto selector = Selector::Parse(text);
  if (!selector) {
    ADD_FAILURE() << selector.error().Message();
    return false;
  }
  return selector->Matches(metric, labels);
}

TEST(SelectorTest, MatchesByName) {
  EXPECT_TRUE(Selects("node_load1", "node_load1", {}));
  EXPECT_FALSE(Selects("node_load1", "node_load15", {}));
  EXPECT_TRUE(Selects("node_load1{}", "node_load1", {}));
  EXPECT_TRUE(Selects("job:rate:sum", "job:rate:sum", {}));
}

TEST(SelectorTest, MatchesByLabels) {
  EXPECT_TRUE(Selects(R"(cpu{mode="idle"})", "cpu", kIdle));
  EXPECT_FALSE(Selects(R"(cpu{mode="user"})", "cpu", kIdle));
  EXPECT_FALSE(Selects(R"(cpu{mode!="idle"})", "cpu", kIdle));
  EXPECT_TRUE(Selects(R"(cpu{mode!="user"})", "cpu", kIdle));
  EXPECT_TRUE(Selects(R"(cpu{mode=~"idle|user",cpu=~"0|1"})", "cpu", kIdle));
  EXPECT_FALSE(Selects(R"(cpu{mode=~"idle|user",cpu=~"2|1"})", "cpu", kIdle));
  EXPECT_FALSE(Selects(R"(cpu{mode!~"id.*"})", "cpu", kIdle));
  EXPECT_TRUE(Selects(R"(cpu{mode!~"user"})", "cpu", kIdle));
}

TEST(SelectorTest, RegularExpressionsMatchTheWholeValue) {
  EXPECT_FALSE(Selects(R"(cpu{mode=~"dl"})", "cpu", kIdle));
  EXPECT_FALSE(Selects(R"(cpu{mode=~"id"})", "cpu", kIdle));
  EXPECT_FALSE(Selects(R"(cpu{mode=~"id|le"})", "cpu", kIdle));
  EXPECT_TRUE(Selects(R"(cpu{mode!~"dl"})", "cpu", kIdle));
}

TEST(SelectorTest, AMissingLabelCountsAsEmpty) {
  EXPECT_TRUE(Selects(R"(cpu{device=""})", "cpu", kIdle));
  EXPECT_TRUE(Selects(R"(cpu{device!="sda"})", "cpu", kIdle));
  EXPECT_FALSE(Selects(R"(cpu{device!=""})", "cpu", kIdle));
  EXPECT_TRUE(Selects(R"(cpu{device=~".*"})", "cpu", kIdle));
  EXPECT_FALSE(Selects(R"(cpu{device=~".+"})", "cpu", kIdle));
}

TEST(SelectorTest, TheNameIsALabelToo) {
  EXPECT_TRUE(Selects(R"({__name__="node_load1"})", "node_load1", {}));
  EXPECT_TRUE(Selects(R"~({__name__=~"node_load(1|5|15)"})~", "node_load5", {}));
  EXPECT_FALSE(Selects(R"~({__name__=~"node_load(1|5|15)"})~", "node_load", {}));
  EXPECT_TRUE(Selects(R"({__name__=~"node_.*",__name__!~".*_total"})", "node_load5", {}));
  EXPECT_FALSE(Selects(R"({__name__=~"node_.*",__name__!~".*_total"})", "node_intr_total", {}));
}

TEST(SelectorTest, SpaceAndATrailingCommaAreAllowed) {
  EXPECT_TRUE(Selects(" cpu {\n cpu = \"0\" ,\tmode =~ 'idle' , } ", "cpu", kIdle));
}

TEST(SelectorTest, StringsHaveThreeQuotesAndGosEscapes) {
  const auto value = [](std::string_view literal, const std::string& wanted) {
    return Selects("m{a=" + std::string(literal) + "}", "m", {{"a", wanted}});
  };
  EXPECT_TRUE(value(R"("it's")", "it's"));
  EXPECT_TRUE(value(R"('say "x"')", R"(say "x")"));
  EXPECT_TRUE(value(R"("\"\\")", R"("\)"));
  EXPECT_TRUE(value(R"('\'')", "'"));
  EXPECT_TRUE(value(R"(`C:\new`)", R"(C:\new)"));
  EXPECT_TRUE(value("`two\nlines`", "two\nlines"));
  EXPECT_TRUE(value(R"("\a\b\f\n\r\t\v")", "\a\b\f\n\r\t\v"));
  EXPECT_TRUE(value(R"("\x41\101")", "AA"));
  EXPECT_TRUE(value(R"("\u00e4\u20ac\U0001F600")", "ä€😀"));
  EXPECT_TRUE(value(R"("{}=,")", "{}=,"));
}

struct BadCase {
  std::string text;
  std::size_t character;  // where the error points, counted from 1
  std::string what;
};

TEST(SelectorTest, ErrorsPointAtTheFault) {
  const std::vector<BadCase> cases = {
      {"", 1, "expected a metric name or {, found the end"},
      {"  ", 3, "expected a metric name or {, found the end"},
      {"1abc", 1, "expected a metric name"},
      {"{}", 1, "selects every series"},
      {R"({job=~".*"})", 1, "selects every series"},
      {R"({job!="x"})", 1, "selects every series"},
      {"node_load1[5m]", 11, "expected the end"},
      {"sum(node_load1)", 4, "expected the end"},
      {"m{a}", 4, "expected =, !=, =~ or !~"},
      {"m{a==\"x\"}", 5, "expected a quoted string, found '='"},
      {"m{a=x}", 5, "expected a quoted string, found 'x'"},
      {"m{a=\"x\"", 8, "expected , or }, found the end"},
      {"m{a=\"x\" b=\"y\"}", 9, "expected , or }, found 'b'"},
      {"m{,}", 3, "expected a label name or }"},
      {"m{a=\"x\",,}", 9, "expected a label name or }"},
      {"m{a:b=\"x\"}", 4, "expected =, !=, =~ or !~"},
      {"m{a=\"x}", 5, "the string that begins here does not end"},
      {"m{a=\"x\n\"}", 7, "a line feed in a string"},
      {R"(m{a="\q"})", 6, "unknown escape"},
      {R"(m{a="\'"})", 6, "unknown escape"},
      {R"(m{a="\x4"})", 9, "expected 2 digits of base 16"},
      {R"(m{a="\400"})", 6, "above \\377"},
      {R"(m{a="\ud800"})", 6, "not a Unicode character"},
      {R"(m{a="\U00110000"})", 6, "not a Unicode character"},
      {R"~(m{a=~"("})~", 6, "not a regular expression"},
      {R"~(m{a=~"(?=x)"})~", 6, "not a regular expression"},
      {"m{a=~\"\xff\"}", 6, "not a regular expression"},
      {R"~(m{a=~"((a{500}){500}){500}"})~", 6, "not a regular expression"},
      {R"(m{__name__="n"})", 3, "given twice"},
      {"m\x1b[2J", 2, "found '\\x1b'"},
  };
  for (const BadCase& one : cases) {
    const auto selector = Selector::Parse(one.text);
    ASSERT_FALSE(selector) << one.text;
    EXPECT_EQ(selector.error().code, ErrorCode::kRefuse);
    EXPECT_THAT(selector.error().Message(), HasSubstr(one.what)) << one.text;
    EXPECT_THAT(selector.error().what,
                ::testing::StartsWith("character " + std::to_string(one.character) + ": "))
        << one.text;
    EXPECT_THAT(selector.error().Message(), ::testing::Not(HasSubstr("\x1b")));
  }
}

TEST(SelectorTest, LimitsAreLimits) {
  const std::string longest = "m{a=\"" + std::string(kSelectorBytesMax - 7, 'x') + "\"}";
  ASSERT_EQ(longest.size(), kSelectorBytesMax);
  EXPECT_TRUE(Selector::Parse(longest));
  const auto longer = Selector::Parse(longest + " ");
  ASSERT_FALSE(longer);
  EXPECT_LT(longer.error().Message().size(), 300U) << "an error quotes only the beginning";

  std::string many = "{";
  for (std::size_t i = 0; i < kSelectorMatchersMax; ++i) many += "a=\"x\",";
  EXPECT_TRUE(Selector::Parse(many + "}"));
  EXPECT_FALSE(Selector::Parse(many + "a=\"x\"}"));
}

TEST(SelectorTest, AnyOfSeveralSelectorsIsEnough) {
  std::vector<spool::Family> families(3);
  families[0].name = "a";
  families[1].name = "b";
  families[2].name = "c";
  const spool::Schema schema("test", families, {{0, {}}, {1, {}}, {2, {}}});
  const std::vector<Selector> selectors = {*Selector::Parse("a"), *Selector::Parse("b")};
  EXPECT_TRUE(AnyMatches(selectors, schema, 0));
  EXPECT_TRUE(AnyMatches(selectors, schema, 1));
  EXPECT_FALSE(AnyMatches(selectors, schema, 2));
  EXPECT_TRUE(AnyMatches({}, schema, 2));
}

// --- Against a model: patterns whose meaning is also written as a predicate ----------------------

struct Pattern {
  const char* text;
  std::function<bool(const std::string&)> meaning;
};

const std::vector<Pattern>& Patterns() {
  static const std::vector<Pattern> patterns = {
      {"", [](const std::string& v) { return v.empty(); }},
      {".+", [](const std::string& v) { return !v.empty(); }},
      {"a.*", [](const std::string& v) { return !v.empty() && v[0] == 'a'; }},
      {"a|b", [](const std::string& v) { return v == "a" || v == "b"; }},
      {"[^a]", [](const std::string& v) { return v.size() == 1 && v != "a"; }},
  };
  return patterns;
}

struct ModelMatcher {
  std::string label;
  int op = 0;  // =, !=, =~, !~
  std::string value;
  std::size_t pattern = 0;

  std::string Text() const {
    constexpr const char* kOperators[] = {"=", "!=", "=~", "!~"};
    return label + kOperators[op] + "`" + (op < 2 ? value : Patterns()[pattern].text) + "`";
  }
  bool Matches(const std::string& actual) const {
    if (op == 0) return actual == value;
    if (op == 1) return actual != value;
    return Patterns()[pattern].meaning(actual) == (op == 2);
  }
};

rc::Gen<std::string> ValueGen() {
  return rc::gen::element<std::string>("", "a", "b", "ab", "ba", "c");
}

rc::Gen<ModelMatcher> MatcherGen() {
  return rc::gen::build<ModelMatcher>(
      rc::gen::set(&ModelMatcher::label, rc::gen::element<std::string>("x", "y", "z", "__name__")),
      rc::gen::set(&ModelMatcher::op, rc::gen::inRange(0, 4)),
      rc::gen::set(&ModelMatcher::value, ValueGen()),
      rc::gen::set(&ModelMatcher::pattern, rc::gen::inRange<std::size_t>(0, Patterns().size())));
}

RC_GTEST_PROP(SelectorProperty, AgreesWithTheModel, ()) {
  const auto matchers = *rc::gen::container<std::vector<ModelMatcher>>(MatcherGen());
  RC_PRE(matchers.size() <= kSelectorMatchersMax);
  const std::string metric = *rc::gen::element<std::string>("a", "b", "ab");
  const std::string x = *ValueGen();
  const std::string y = *ValueGen();

  std::string text = "{";
  bool expected = true;
  bool refuses_empty = false;
  for (const ModelMatcher& matcher : matchers) {
    text += (text.size() > 1 ? "," : "") + matcher.Text();
    const std::string actual = matcher.label == "x"          ? x
                               : matcher.label == "y"        ? y
                               : matcher.label == "__name__" ? metric
                                                             : "";
    expected = expected && matcher.Matches(actual);
    refuses_empty = refuses_empty || !matcher.Matches("");
  }
  text += "}";

  const auto selector = Selector::Parse(text);
  RC_ASSERT(selector.has_value() == refuses_empty);
  if (!selector) return;
  RC_ASSERT(selector->Matches(metric, {{"x", x}, {"y", y}}) == expected);

  const auto again = Selector::Parse(selector->ToString());
  RC_ASSERT(again.has_value());
  RC_ASSERT(again->ToString() == selector->ToString());
  RC_ASSERT(again->Matches(metric, {{"x", x}, {"y", y}}) == expected);
}

RC_GTEST_PROP(SelectorProperty, AnyValueCanBeQuoted, (const std::string& bytes)) {
  auto matcher = LabelMatcher::Create("a", MatchOperator::kEqual, bytes);
  const auto selector = Selector::Parse("m{" + matcher->ToString() + "}");
  RC_ASSERT(selector.has_value());
  RC_ASSERT(selector->Matches("m", {{"a", bytes}}));
  RC_ASSERT(!selector->Matches("m", {{"a", bytes + "x"}}));
}

}  // namespace
}  // namespace doagent::cli
