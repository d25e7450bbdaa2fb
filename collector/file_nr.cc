#include "collector/file_nr.h"

#include "collector/scan.h"

namespace doagent::collector {

Result<FileNr> ParseFileNr(std::string_view text) {
  std::string_view line;
  NextLine(text, line);
  std::string_view rest = line;
  std::string_view surplus;
  FileNr files;
  if (!NextUnsigned(rest, files.allocated) || !NextUnsigned(rest, files.unused) ||
      !NextUnsigned(rest, files.maximum) || NextField(rest, surplus))
    return Malformed("not three numbers", line);
  return files;
}

}  // namespace doagent::collector
