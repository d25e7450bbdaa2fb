// Selectors come from the command line, where scripts may put anything.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spool/check.h"
#include "tools/cli/selector.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using doagent::cli::Selector;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto selector = Selector::Parse(text);
  if (!selector) {
    DOAGENT_CHECK(!selector.error().what.empty());
    return 0;
  }
  const std::vector<doagent::spool::Label> labels = {{"mode", "idle"}, {"cpu", std::string(text)}};
  const bool matches = selector->Matches("node_cpu_seconds_total", labels);

  // The canonical form may be longer than what a person may type (every byte an escape).
  const std::string canonical = selector->ToString();
  const auto again = Selector::Parse(canonical);
  DOAGENT_CHECK(again || canonical.size() > doagent::cli::kSelectorBytesMax);
  if (!again) return 0;
  DOAGENT_CHECK(again->ToString() == canonical);
  DOAGENT_CHECK(again->Matches("node_cpu_seconds_total", labels) == matches);
  return 0;
}
