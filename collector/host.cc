#include "collector/host.h"

#include <optional>
#include <string>
#include <string_view>

#include "collector/proc_file.h"
#include "collector/scan.h"
#include "spool/utf8.h"

namespace doagent::collector {
namespace {

constexpr std::size_t kHostnameBytesMax = 255;

// The file's first line without blanks around it. Nothing: no such file.
Result<std::optional<std::string>> ReadLine(const std::filesystem::path& path) {
  ProcFile file(path, ProcFile::Shape::kValue);
  DOAGENT_ASSIGN(auto text, file.Read());
  if (!text) return std::nullopt;
  std::string_view line;
  std::string_view field;
  NextLine(*text, line);
  NextField(line, field);
  return std::string(field);
}

}  // namespace

Result<BootId> ReadBootId(const std::filesystem::path& procfs) {
  const auto path = procfs / "sys/kernel/random/boot_id";
  DOAGENT_ASSIGN(const auto line, ReadLine(path));
  if (!line) return BootId();
  const auto id = BootId::FromHex(*line);
  if (!id) return Fail(ErrorCode::kRefuse, path, "not a boot id: " + Quote(*line));
  return *id;
}

Result<spool::Host> ReadHost(const std::filesystem::path& procfs,
                             const std::filesystem::path& rootfs) {
  spool::Host host;
  DOAGENT_ASSIGN(const auto hostname, ReadLine(procfs / "sys/kernel/hostname"));
  if (hostname) host.hostname = ValidUtf8(*hostname, kHostnameBytesMax);

  const auto path = rootfs / "etc/machine-id";
  DOAGENT_ASSIGN(const auto machine_id, ReadLine(path));
  if (!machine_id || machine_id->empty() || *machine_id == "uninitialized") return host;
  const auto bytes = HexDecode(*machine_id);
  if (!bytes || bytes->size() != 16)
    return Fail(ErrorCode::kRefuse, path, "not a machine id: " + Quote(*machine_id));
  host.machine_id = HexEncode(*bytes);
  return host;
}

}  // namespace doagent::collector
