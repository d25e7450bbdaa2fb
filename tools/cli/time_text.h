// Points in time as people write and read them.
#pragma once

#include <string>
#include <string_view>

#include "spool/result.h"
#include "spool/time.h"

namespace doagent::cli {

// RFC 3339 (`2024-05-06T07:08:09.5Z`, `2024-05-06 07:08:09+02:00`), Unix seconds (`1714979289`,
// `1714979289.5`), or an age before `now` such as `-2h`. Fractions count to the nanosecond; further
// digits are dropped. A leap second (`:60`) is the second after it. Errors carry the text and
// examples; the caller knows the flag.
Result<WallTime> ParseTime(std::string_view text, WallTime now);

// RFC 3339 in UTC with milliseconds, rounded down: `2024-05-06T07:08:09.500Z`.
std::string FormatTime(WallTime time);

}  // namespace doagent::cli
