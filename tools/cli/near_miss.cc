#include "tools/cli/near_miss.h"

#include <algorithm>
#include <cctype>

namespace doagent::cli {
namespace {

constexpr std::size_t kTextBytesMax = 128;  // no name is longer

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
std::size_t Distance(const std::string& a, const std::string& b) {
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

}  // namespace

std::string NearMiss(std::string_view text, const std::vector<std::string>& candidates) {
  if (text.empty() || text.size() > kTextBytesMax) return "";
  const std::string wanted = Folded(text);
  std::string best;
  // One slip in four letters is a slip; more is another word.
  std::size_t best_distance = wanted.size() / 4 + 2;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kTextBytesMax) continue;
    const std::size_t distance = Distance(wanted, Folded(candidate));
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string DidYouMean(std::string_view text, const std::vector<std::string>& candidates) {
  const std::string near = NearMiss(text, candidates);
  return near.empty() ? "" : " (did you mean \"" + near + "\"?)";
}

}  // namespace doagent::cli
