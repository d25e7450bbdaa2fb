// The collector "uname": what uname(2) says of the system, as the labels of one series.

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "collector/label_text.h"
#include "collector/sources.h"

namespace doagent::collector {
namespace {

constexpr FamilySpec kUnameInfo{
    .name = "node_uname_info",
    .help = "Labeled system information as provided by the uname system call.",
    .representation = kInfo,
    .labels = {"domainname", "machine", "nodename", "release", "sysname", "version"}};

class UnameSource final : public Source {
 public:
  explicit UnameSource(std::function<int(struct utsname*)> uname)
      : Source("uname"), uname_(std::move(uname)) {}

  Result<void> Collect(const Tick& /*tick*/) override {
    struct utsname names;
    std::memset(&names, 0, sizeof names);  // so that equal names are equal bytes
    if (uname_(&names) != 0) {
      return Fail(ErrorCode::kRetry, "uname",
                  "the system call failed: " + std::generic_category().message(errno));
    }
    if (!known_ || std::memcmp(&names, &names_, sizeof names) != 0) Take(names);
    builder_.Add(info_, {domainname_, machine_, nodename_, release_, sysname_, version_},
                 kInfoBits);
    return {};
  }

 private:
  void Take(const struct utsname& names) {
    known_ = true;
    names_ = names;
    sysname_ = LabelText(names.sysname);
    nodename_ = LabelText(names.nodename);
    release_ = LabelText(names.release);
    version_ = LabelText(names.version);
    machine_ = LabelText(names.machine);
    domainname_ = LabelText(names.domainname);
  }

  const std::function<int(struct utsname*)> uname_;
  const SectionBuilder::FamilyId info_ = builder_.Declare(kUnameInfo);
  bool known_ = false;
  struct utsname names_ = {};
  std::string sysname_, nodename_, release_, version_, machine_, domainname_;
};

}  // namespace

SourceResult MakeUnameSource(const SourceContext& context) {
  return std::make_unique<UnameSource>(context.options.uname);
}

}  // namespace doagent::collector
