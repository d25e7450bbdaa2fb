#include "tools/do-agent-spool/output_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string>
#include <system_error>

namespace doagent::spool_tool {

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<OutputFile> OutputFile::Create(const std::filesystem::path& path) {
  OutputFile file;
  file.descriptor_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file.descriptor_ < 0) {
    return Fail(ErrorCode::kFatal, path.string(),
                "cannot be created: " + std::generic_category().message(errno) +
                    "; give --output a place that you may write to");
  }
  return file;
}

Result<void> OutputFile::Close(const std::filesystem::path& path) {
  if (::close(std::exchange(descriptor_, -1)) == 0) return {};
  return Fail(ErrorCode::kFatal, path.string(),
              "cannot be written: " + std::generic_category().message(errno));
}

bool IsPartOfSpool(const std::filesystem::path& output, const std::filesystem::path& spool) {
  constexpr const char* kSuffixes[] = {"", "-wal", "-shm", "-journal", ".lock"};
  return std::any_of(std::begin(kSuffixes), std::end(kSuffixes), [&](const char* suffix) {
    std::error_code not_there;  // then they are not the same
    return std::filesystem::equivalent(output, spool.string() + suffix, not_there);
  });
}

}  // namespace doagent::spool_tool
