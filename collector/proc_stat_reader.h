// /proc/stat, read and parsed once a tick for the two collectors that show it. Not thread-safe.
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "collector/proc_file.h"
#include "collector/proc_stat.h"
#include "collector/source.h"

namespace doagent::collector {

class ProcStatReader {
 public:
  ProcStatReader(std::string path, std::shared_ptr<ReadBuffer> buffer)
      : file_(std::move(path), ProcFile::Shape::kWhole, std::move(buffer)) {}

  // This tick's content, valid until the next tick's first call; null: there is no such file.
  Result<const ProcStat*> Read(const Tick& tick) {
    if (tick.number != tick_) {
      tick_ = tick.number;
      found_ =
          ReadAndParse(file_, [&](std::string_view text) { return ParseProcStat(text, stat_); });
    }
    if (!found_) return Fail(found_.error());
    return *found_ ? &stat_ : nullptr;
  }

 private:
  ProcFile file_;
  ProcStat stat_;
  std::uint64_t tick_ = 0;  // the scheduler's first is 1
  Result<bool> found_ = false;
};

}  // namespace doagent::collector
