#include "tools/cli/near_miss.h"

#include <algorithm>
#include <cctype>

namespace doagent::cli {
namespace {

constexpr std::size_t kTextBytesMax = 128;  // no name is longer
constexpr std::string_view kSeparators = "-.";

std::string Folded(std::string_view text) {
  std::string folded;
  folded.reserve(text.size());
  for (const char c : text) {
    folded.push_back(c == '_' ? '-'
                              : static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  }
  return folded;
}

// How many single letters must be replaced, dropped, added or swapped with their neighbour (the
// optimal string alignment distance).
std::size_t Distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before_last(b.size() + 1);
  std::vector<std::size_t> last(b.size() + 1);
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({replaced, last[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
    std::swap(before_last, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

// The first word, with what separates it from the next.
std::string_view FirstWord(std::string_view text) {
  const std::size_t end = text.find_first_of(kSeparators);
  return end == std::string_view::npos ? text : text.substr(0, end + 1);
}

std::string_view LastWord(std::string_view text) {
  const std::size_t end = text.find_last_of(kSeparators);
  return end == std::string_view::npos ? text : text.substr(end);
}

// Cuts off the whole words that both begin and end with: what is left is what was mistyped, and a
// long name that they share does not make two short words alike.
void CutSharedWords(std::string_view& a, std::string_view& b) {
  while (!a.empty() && FirstWord(a) == FirstWord(b)) {
    a.remove_prefix(FirstWord(a).size());
    b.remove_prefix(FirstWord(b).size());
  }
  while (!a.empty() && LastWord(a) == LastWord(b)) {
    const std::size_t size = LastWord(a).size();
    a.remove_suffix(size);
    b.remove_suffix(size);
  }
}

// A flag that turns something off is no slip for one that turns something on.
bool IsOff(std::string_view flag) {
  return flag.substr(0, 4) == "--no";
}

}  // namespace

std::string NearMiss(std::string_view text, const std::vector<std::string>& candidates) {
  if (text.empty() || text.size() > kTextBytesMax) return "";
  const std::string wanted = Folded(text);
  std::string best;
  std::size_t best_distance = text.size();
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kTextBytesMax) continue;
    const std::string folded = Folded(candidate);
    if (IsOff(wanted) != IsOff(folded)) continue;
    std::string_view mistyped = wanted;
    std::string_view meant = folded;
    CutSharedWords(mistyped, meant);
    const std::size_t distance = Distance(mistyped, meant);
    // One slip in four letters is a slip; more is another word: "include" for "exclude" is two in
    // seven.
    const std::size_t slips_max = std::max<std::size_t>(1, mistyped.size() / 4);
    if (distance > slips_max || distance >= best_distance) continue;
    best_distance = distance;
    best = candidate;
  }
  return best;
}

std::string DidYouMean(std::string_view text, const std::vector<std::string>& candidates) {
  const std::string near = NearMiss(text, candidates);
  return near.empty() ? "" : " (did you mean \"" + near + "\"?)";
}

}  // namespace doagent::cli
