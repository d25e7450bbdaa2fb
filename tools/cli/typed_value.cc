#include "tools/cli/typed_value.h"

#include <charconv>

#include "spool/check.h"
#include "tools/cli/duration.h"
#include "tools/cli/size.h"

namespace doagent::cli {
namespace {

std::string Quoted(std::string_view text) {
  return "\"" + std::string(text) + "\"";
}

}  // namespace

const Value& At(const Values& values, std::string_view key) {
  const auto found = values.find(std::string(key));
  DOAGENT_CHECK(found != values.end());
  return found->second;
}

Error ErrorAt(const Value& value, const Error& error) {
  return {error.code, value.Place(), error.Message()};
}

Error ErrorAt(const Value& value, std::string what) {
  return {ErrorCode::kRefuse, value.Place(), std::move(what)};
}

Result<bool> ToSwitch(const Value& value) {
  const std::string& text = value.text();
  if (text == "true" || text == "1") return true;
  if (text == "false" || text == "0") return false;
  return Fail(ErrorAt(value, Quoted(text) + " is not a switch; write true or false"));
}

Result<Nanoseconds> ToDuration(const Value& value, Nanoseconds min, Nanoseconds max) {
  const auto duration = ParseDuration(value.text());
  if (!duration) return Fail(ErrorAt(value, duration.error()));
  if (*duration < min || *duration > max) {
    return Fail(ErrorAt(value, Quoted(value.text()) + " is out of range; give something from " +
                                   FormatDuration(min) + " to " + FormatDuration(max)));
  }
  return *duration;
}

Result<std::uint64_t> ToCount(const Value& value, std::uint64_t min, std::uint64_t max) {
  const std::string& text = value.text();
  const char* const end = text.data() + text.size();
  std::uint64_t count = 0;
  const auto parsed = std::from_chars(text.data(), end, count);
  if (parsed.ec != std::errc() || parsed.ptr != end || count < min || count > max) {
    return Fail(ErrorAt(value, Quoted(text) + " is not a number from " + std::to_string(min) +
                                   " to " + std::to_string(max)));
  }
  return count;
}

Result<std::uint64_t> ToSize(const Value& value, std::uint64_t min, std::uint64_t max) {
  const auto size = ParseSize(value.text());
  if (!size) return Fail(ErrorAt(value, size.error()));
  if (*size < min || *size > max) {
    return Fail(ErrorAt(value, Quoted(value.text()) + " is out of range; give something from " +
                                   FormatSize(min) + " to " + FormatSize(max)));
  }
  return *size;
}

Result<LogLevel> ToLogLevel(const Value& value) {
  const auto level = ParseLogLevel(value.text());
  if (!level) return Fail(ErrorAt(value, level.error()));
  return *level;
}

Result<std::string> ToPath(const Value& value) {
  const std::string& text = value.text();
  if (text.empty()) return Fail(ErrorAt(value, "is empty; give a path"));
  if (text.find('\0') != std::string::npos) {
    return Fail(ErrorAt(value, "has a NUL in it, which no path can have"));
  }
  return text;
}

Result<std::filesystem::path> ToOptionalPath(const Value& value) {
  if (value.text().empty()) return std::filesystem::path();
  DOAGENT_ASSIGN(auto path, ToPath(value));
  return std::filesystem::path(std::move(path));
}

Result<std::size_t> ToChoice(const Value& value, const std::vector<std::string>& choices) {
  std::string names;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (choices[i] == value.text()) return i;
    if (i > 0) names += i + 1 == choices.size() ? " or " : ", ";
    names += choices[i];
  }
  return Fail(ErrorAt(value, Quoted(value.text()) + " is not known; choose " + names));
}

}  // namespace doagent::cli
