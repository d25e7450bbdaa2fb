// What somebody probably meant who wrote a name that does not exist.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace doagent::cli {

// The candidate that `text` is most likely a slip of: a letter in four of the words that differ is
// wrong, missing, added or swapped; case and - against _ aside. "" if none is near. Never one that
// means the opposite: `include` for `exclude`, a flag that turns on for one that turns off.
std::string NearMiss(std::string_view text, const std::vector<std::string>& candidates);

// ` (did you mean "interval"?)`, or "": to go into an error message.
std::string DidYouMean(std::string_view text, const std::vector<std::string>& candidates);

}  // namespace doagent::cli
