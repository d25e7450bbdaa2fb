// The collectors, each made by a function of its own; registry.cc has the table of them.
//
// Names, labels, types and help texts are those of node_exporter 1.5.0.
#pragma once

#include <memory>
#include <string>

#include "collector/options.h"
#include "collector/proc_stat_reader.h"
#include "collector/settings.h"
#include "collector/source.h"
#include "spool/result.h"

namespace doagent::collector {

// What a collector is made from. The references are valid only while it is being made.
struct SourceContext {
  const CollectorOptions& options;
  const Settings& settings;
  std::shared_ptr<ProcStatReader> proc_stat;
  std::shared_ptr<ReadBuffer> buffer;  // for files that were parsed when the next one is read

  std::string ProcPath(const char* relative) const { return options.procfs / relative; }
  ProcFile ProcTable(const char* relative) const {
    return ProcFile(ProcPath(relative), ProcFile::Shape::kTable, buffer);
  }
};

using SourceResult = Result<std::unique_ptr<Source>>;

SourceResult MakeCpuSource(const SourceContext& context);
SourceResult MakeDiskstatsSource(const SourceContext& context);
SourceResult MakeFilefdSource(const SourceContext& context);
SourceResult MakeFilesystemSource(const SourceContext& context);
SourceResult MakeLoadavgSource(const SourceContext& context);
SourceResult MakeMeminfoSource(const SourceContext& context);
SourceResult MakeNetdevSource(const SourceContext& context);
SourceResult MakeStatSource(const SourceContext& context);
SourceResult MakeTimeSource(const SourceContext& context);
SourceResult MakeUnameSource(const SourceContext& context);
SourceResult MakeVmstatSource(const SourceContext& context);

}  // namespace doagent::collector
