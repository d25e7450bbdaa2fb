// Durations as people write them: `500ms`, `10s`, `5m`, `24h`, `7d`, and sums such as `1h30m`.
#pragma once

#include <string>
#include <string_view>

#include "spool/result.h"
#include "spool/time.h"

namespace doagent::cli {

// Whole numbers with the units ms, s, m, h and d, each unit once, larger before smaller; `0` needs
// none. Never negative. Errors carry the text and examples; the caller knows the flag or key.
Result<Nanoseconds> ParseDuration(std::string_view text);

// The shortest text that reads back as the same duration, to the millisecond below: `1h30m`.
// REQUIRES duration >= 0.
std::string FormatDuration(Nanoseconds duration);

}  // namespace doagent::cli
