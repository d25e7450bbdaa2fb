// Settings from a TOML file.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "spool/result.h"
#include "tools/cli/setting.h"

namespace doagent::cli {

inline constexpr std::size_t kSettingsFileBytesMax = 1 << 20;

// The settings that the text gives. `name` is what errors and places call the file. Every error
// (no TOML, an unknown key, a wrong type) names file and line, and says what to write instead.
Result<Values> ParseSettings(std::string_view text, const std::string& name,
                             const std::vector<Setting>& settings);

// kRefuse too for a file that is not there, not readable or too large.
Result<Values> ReadSettingsFile(const std::filesystem::path& path,
                                const std::vector<Setting>& settings);

}  // namespace doagent::cli
