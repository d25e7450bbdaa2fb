#include "collector/mountinfo.h"

#include <cstdint>

#include "collector/scan.h"

namespace doagent::collector {
namespace {

// Cuts the text up to the next space off the front of `rest`; the field may be empty, and of any
// length: an overlay's options name each of its layers. False: no field is left.
bool NextCell(std::string_view& rest, std::string_view& cell) {
  if (rest.data() == nullptr) return false;
  const auto end = rest.find(' ');
  cell = rest.substr(0, end);
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return true;
}

// Whether one of the options, separated by commas, is "ro".
bool HasReadOnly(std::string_view options) {
  while (!options.empty()) {
    const auto end = options.find(',');
    if (options.substr(0, end) == "ro") return true;
    options.remove_prefix(end == std::string_view::npos ? options.size() : end + 1);
  }
  return false;
}

bool IsOctal(char c) {
  return c >= '0' && c <= '7';
}

bool ParseMount(std::string_view rest, Mount& mount) {
  std::uint64_t id = 0;
  std::string_view cell;
  if (!NextCell(rest, cell) || !ParseUnsigned(cell, id)) return false;  // mount id
  if (!NextCell(rest, cell) || !ParseUnsigned(cell, id)) return false;  // parent's id
  if (!NextCell(rest, cell)) return false;                              // major:minor
  if (!NextCell(rest, cell)) return false;                              // root
  if (!NextCell(rest, cell) || cell.empty()) return false;
  mount.mount_point = UnescapeOctal(cell);
  if (mount.mount_point.find('\0') != std::string::npos) return false;  // no path has one
  if (!NextCell(rest, cell)) return false;                              // mount options
  mount.read_only = HasReadOnly(cell);
  do {
    if (!NextCell(rest, cell)) return false;  // optional fields, up to the separator
  } while (cell != "-");
  if (!NextCell(rest, mount.fs_type) || mount.fs_type.empty()) return false;
  if (!NextCell(rest, mount.source)) return false;
  if (!NextCell(rest, cell)) return false;  // options of the superblock
  mount.read_only = mount.read_only || HasReadOnly(cell);
  return true;
}

}  // namespace

std::string UnescapeOctal(std::string_view text) {
  std::string plain;
  plain.reserve(text.size());
  while (!text.empty()) {
    if (text.size() >= 4 && text[0] == '\\' && text[1] >= '0' && text[1] <= '3' &&
        IsOctal(text[2]) && IsOctal(text[3])) {
      plain += static_cast<char>((text[1] - '0') * 64 + (text[2] - '0') * 8 + (text[3] - '0'));
      text.remove_prefix(4);
    } else {
      plain += text[0];
      text.remove_prefix(1);
    }
  }
  return plain;
}

Result<void> ParseMountinfo(std::string_view text, std::vector<Mount>& out) {
  out.clear();
  std::string_view line;
  while (NextLine(text, line)) {
    Mount mount;
    if (!ParseMount(line, mount)) return Malformed("not a mount", line);
    out.push_back(std::move(mount));
  }
  return {};
}

}  // namespace doagent::collector
