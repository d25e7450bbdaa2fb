// Values of settings in their types. An error names the place that the value came from, the text
// and what to write instead.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spool/result.h"
#include "spool/time.h"
#include "tools/cli/logging.h"
#include "tools/cli/setting.h"

namespace doagent::cli {

// The value under the key. REQUIRES it to be there: every setting has one, by Defaults.
const Value& At(const Values& values, std::string_view key);

// The error as one of this value's place.
Error ErrorAt(const Value& value, const Error& error);
Error ErrorAt(const Value& value, std::string what);

Result<bool> ToSwitch(const Value& value);
// From min to max, both included.
Result<Nanoseconds> ToDuration(const Value& value, Nanoseconds min, Nanoseconds max);
Result<std::uint64_t> ToCount(const Value& value, std::uint64_t min, std::uint64_t max);
Result<std::uint64_t> ToSize(const Value& value, std::uint64_t min, std::uint64_t max);  // bytes
Result<LogLevel> ToLogLevel(const Value& value);
// Not empty, without NUL.
Result<std::string> ToPath(const Value& value);
// The same of a value that may be missing, which is the empty path.
Result<std::filesystem::path> ToOptionalPath(const Value& value);
// The position of the text among the choices.
Result<std::size_t> ToChoice(const Value& value, const std::vector<std::string>& choices);

// Of a value that may be missing or empty, which mean the same.
template <typename T, typename Convert>
Result<std::optional<T>> Optional(const Value& value, Convert convert) {
  if (value.text().empty()) return std::optional<T>();
  DOAGENT_ASSIGN(T converted, convert(value));
  return std::optional<T>(std::move(converted));
}

}  // namespace doagent::cli
