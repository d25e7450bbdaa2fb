// The collector "filefd": open files of the whole system, from /proc/sys/fs/file-nr.

#include "collector/file_nr.h"
#include "collector/proc_file.h"
#include "collector/sources.h"

namespace doagent::collector {
namespace {

constexpr FamilySpec kAllocated{.name = "node_filefd_allocated",
                                .help = "File descriptor statistics: allocated.",
                                .representation = kPlain};
constexpr FamilySpec kMaximum{.name = "node_filefd_maximum",
                              .help = "File descriptor statistics: maximum.",
                              .representation = kPlain};

class FilefdSource final : public Source {
 public:
  explicit FilefdSource(std::string path)
      : Source("filefd"), file_(std::move(path), ProcFile::Shape::kValue) {}

  Result<void> Collect(const Tick& /*tick*/) override {
    FileNr files;
    const auto parse = [&](std::string_view text) -> Result<void> {
      DOAGENT_ASSIGN(files, ParseFileNr(text));
      return {};
    };
    DOAGENT_ASSIGN(const bool found, ReadAndParse(file_, parse));
    if (!found) return {};
    builder_.Add(allocated_, files.allocated);
    builder_.Add(maximum_, files.maximum);
    return {};
  }

 private:
  ProcFile file_;
  const SectionBuilder::FamilyId allocated_ = builder_.Declare(kAllocated);
  const SectionBuilder::FamilyId maximum_ = builder_.Declare(kMaximum);
};

}  // namespace

SourceResult MakeFilefdSource(const SourceContext& context) {
  return std::make_unique<FilefdSource>(context.ProcPath("sys/fs/file-nr"));
}

}  // namespace doagent::collector
