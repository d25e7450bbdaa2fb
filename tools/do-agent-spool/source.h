// A spool that is being dumped: its reader, and which origins it has.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "spool/ids.h"
#include "spool/reader.h"
#include "spool/result.h"

namespace doagent::spool_tool {

class Source {
 public:
  static Result<std::unique_ptr<Source>> Open(const std::filesystem::path& path);

  spool::Reader& reader() { return *reader_; }

  // The origin whose id begins so. kRefuse: none does, or several, or it is no such beginning (four
  // hexadecimal digits at least); the error lists what there is.
  Result<SpoolId> FindOrigin(std::string_view beginning) const;
  // kRefuse: no origin has the hostname; the error lists what there is.
  Result<void> RequireHost(std::string_view hostname) const;

  // Empty: not known. May be called from within Visit.
  std::string_view HostOf(const SpoolId& origin);
  // The hostname; where hosts of other identities have it too, the identity is added; where none is
  // known, the origin's id.
  std::string InstanceOf(const SpoolId& origin);

  // Whether another file stands at the path now. A path where nothing is counts as not yet.
  bool Replaced() const;
  // Makes the reader that of the file at the path. False: nothing complete is there yet, and all
  // stays as it was.
  bool Reopen() { return OpenReader().has_value(); }

 private:
  struct FileId {
    dev_t device = 0;
    ino_t inode = 0;
    friend bool operator==(const FileId&, const FileId&) = default;
  };

  explicit Source(std::filesystem::path path) : path_(std::move(path)) {}
  static FileId Identify(const std::filesystem::path& path);
  // Opens the path and takes over its reader and origins; an error changes nothing.
  Result<void> OpenReader();

  std::filesystem::path path_;
  FileId file_;  // zero: there was none
  std::unique_ptr<spool::Reader> reader_;
  std::unordered_map<SpoolId, spool::Host, SpoolId::Hash> hosts_;  // by origin
};

}  // namespace doagent::spool_tool
