#include "collector/diskstats.h"

#include "collector/scan.h"

namespace doagent::collector {
namespace {

constexpr std::size_t kNameBytesMax =
    255;  // DISK_NAME_LEN is 32; device mapper names are short too
constexpr std::uint32_t kPartitionColumns = 4;  // before 2.6.25

bool IsKernelColumnCount(std::uint32_t columns) {
  return columns == DiskStats::kWeightedIoMs + 1 || columns == DiskStats::kDiscardMs + 1 ||
         columns == DiskStats::kFlushMs + 1;
}

}  // namespace

Result<void> ParseDiskstats(std::string_view text, std::vector<DiskStats>& out) {
  out.clear();
  std::string_view line;
  while (NextLine(text, line)) {
    std::string_view rest = line;
    DiskStats disk;
    if (!NextUnsigned(rest, disk.major) || !NextUnsigned(rest, disk.minor))
      return Malformed("not a device number", line);
    if (!NextField(rest, disk.device) || disk.device.size() > kNameBytesMax)
      return Malformed("not a device name", line);
    std::string_view field;
    while (disk.columns < DiskStats::kColumns && NextField(rest, field)) {
      if (!ParseUnsigned(field, disk.values[disk.columns])) return Malformed("not a number", line);
      ++disk.columns;
    }
    if (disk.columns == kPartitionColumns) continue;
    if (!IsKernelColumnCount(disk.columns)) return Malformed("not 14, 18 or 20 columns", line);
    out.push_back(disk);
  }
  return {};
}

}  // namespace doagent::collector
