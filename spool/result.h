// Errors as values. Every function that can fail for a reason outside this program returns a
// Result; the error's code says what to do next, not what went wrong inside.
#pragma once

#include <tl/expected.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace doagent {

enum class ErrorCode {
  kRetry,    // passing: the same call may succeed later
  kBusy,     // another process has what is needed: nothing was done, and later it may be
  kPark,     // this record is damaged or will never be taken: set it aside and go on
  kEvict,    // no space: remove something by policy, then retry
  kSalvage,  // the file is damaged: keep it aside, save what is intact
  kRefuse,   // the input or a setting is wrong: whoever gave it must change it
  kFatal,    // nothing more can be done here; say so and stop
};

struct Error {
  ErrorCode code = ErrorCode::kFatal;
  std::string where;  // the file, address or key concerned
  std::string what;   // what is wrong with it, the offending text, what to do

  // One line for a person: "WHERE: WHAT".
  std::string Message() const { return where.empty() ? what : where + ": " + what; }
};

template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

// Shorthand for returning an error from a function that returns any Result.
inline tl::unexpected<Error> Fail(ErrorCode code, std::string where, std::string what) {
  return tl::unexpected<Error>(Error{code, std::move(where), std::move(what)});
}

inline tl::unexpected<Error> Fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace doagent

#define DOAGENT_CONCATENATE_(a, b) a##b
#define DOAGENT_CONCATENATE(a, b) DOAGENT_CONCATENATE_(a, b)

// DOAGENT_TRY(expression that yields Result<void>): returns its error, if any, from this function.
#define DOAGENT_TRY(expression) \
  DOAGENT_TRY_(DOAGENT_CONCATENATE(doagent_result_, __COUNTER__), expression)
#define DOAGENT_TRY_(result, expression)                 \
  do {                                                   \
    if (auto result = (expression); !result.has_value()) \
      return ::doagent::Fail(std::move(result).error()); \
  } while (false)

// DOAGENT_ASSIGN(auto value, expression that yields Result<T>): the value, or returns the error.
#define DOAGENT_ASSIGN(target, expression) \
  DOAGENT_ASSIGN_(DOAGENT_CONCATENATE(doagent_result_, __COUNTER__), target, expression)
#define DOAGENT_ASSIGN_(result, target, expression)                           \
  auto result = (expression);                                                 \
  if (!result.has_value()) return ::doagent::Fail(std::move(result).error()); \
  target = *std::move(result)
