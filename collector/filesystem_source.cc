// The collector "filesystem": space and inodes of each mount that its filters accept.
//
// The mounts are those of process 1, since the agent's own namespace may hide some of them
// (systemd's sandboxing does); where that is not allowed, those of the agent itself. What they hold
// comes from statvfs(2) on worker threads; a mount without an answer is shown with
// node_filesystem_device_error 1 and nothing else, as node_exporter shows one that failed.

#include <cstring>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "collector/label_text.h"
#include "collector/mountinfo.h"
#include "collector/proc_file.h"
#include "collector/sources.h"
#include "collector/statvfs_workers.h"

namespace doagent::collector {
namespace {

constexpr FamilySpec MountFamily(std::string_view name, std::string_view help,
                                 std::string_view unit = "") {
  return {.name = name,
          .help = help,
          .representation = kPlain,
          .unit = unit,
          .labels = {"device", "fstype", "mountpoint"}};
}

constexpr FamilySpec kAvail =
    MountFamily("node_filesystem_avail_bytes",
                "Filesystem space available to non-root users in bytes.", "bytes");
constexpr FamilySpec kDeviceError =
    MountFamily("node_filesystem_device_error",
                "Whether an error occurred while getting statistics for the given device.");
constexpr FamilySpec kFiles = MountFamily("node_filesystem_files", "Filesystem total file nodes.");
constexpr FamilySpec kFilesFree =
    MountFamily("node_filesystem_files_free", "Filesystem total free file nodes.");
constexpr FamilySpec kFree =
    MountFamily("node_filesystem_free_bytes", "Filesystem free space in bytes.", "bytes");
constexpr FamilySpec kReadonly =
    MountFamily("node_filesystem_readonly", "Filesystem read-only status.");
constexpr FamilySpec kSize =
    MountFamily("node_filesystem_size_bytes", "Filesystem size in bytes.", "bytes");

// At the usual interval of 10 s that is at every tick.
constexpr Nanoseconds kReadAgainAfter = std::chrono::seconds(10);

// One that is shown.
struct ShownMount {
  std::string device;
  std::string fs_type;
  std::string mount_point;
  bool read_only = false;
  std::size_t path = 0;  // index into the workers' paths
};

struct Sizes {
  std::uint64_t size = 0;  // bytes, as the others
  std::uint64_t free = 0;
  std::uint64_t avail = 0;
};

// False: a product beyond 64 bits, which no real file system has.
bool ToBytes(const struct statvfs& usage, Sizes& sizes) {
  const std::uint64_t unit = usage.f_frsize != 0 ? usage.f_frsize : usage.f_bsize;
  return !__builtin_mul_overflow(usage.f_blocks, unit, &sizes.size) &&
         !__builtin_mul_overflow(usage.f_bfree, unit, &sizes.free) &&
         !__builtin_mul_overflow(usage.f_bavail, unit, &sizes.avail);
}

class FilesystemSource final : public Source {
 public:
  FilesystemSource(const SourceContext& context, NamePattern mounts_excluded,
                   NamePattern types_excluded, bool mounts_all, bool types_all)
      : Source("filesystem"),
        init_mounts_(context.ProcTable("1/mountinfo")),
        own_mounts_(context.ProcTable("self/mountinfo")),
        rootfs_(context.options.rootfs),
        mounts_excluded_(std::move(mounts_excluded)),
        types_excluded_(std::move(types_excluded)),
        excludes_mounts_(!mounts_all),
        excludes_types_(!types_all),
        workers_(context.options.statvfs, context.options.statvfs_stuck_after),
        first_wait_(context.options.statvfs_first_wait),
        wait_(context.options.statvfs_wait) {}

  Result<void> Start(const Tick& tick) override {
    replies_.clear();
    DOAGENT_TRY(ReadMounts(tick.mono));
    return workers_.Ask();
  }

  Result<void> Collect(const Tick& tick) override {
    workers_.Wait(is_first_ ? first_wait_ : wait_, /*overtake=*/is_first_);
    is_first_ = false;
    workers_.Get(tick.mono, replies_);
    for (const auto& mount : mounts_) AddMount(mount, replies_[mount.path]);
    return {};
  }

  // The workers get the time that the others take.
  bool IsDeferred() const override { return true; }

  void ReportProblems(ProblemTracker& problems) override {
    for (std::size_t i = 0; i < replies_.size(); ++i) {
      if (!replies_[i].is_stuck) continue;
      problems.Seen("filesystem", paths_[i],
                    "statvfs gives no answer; the mount is shown as "
                    "node_filesystem_device_error until it does");
    }
  }

 private:
  // Reads the mounts when the kernel says that they changed, and now and then in any case: a file
  // system that turns read-only by itself, after an error, is no change of the mounts.
  Result<void> ReadMounts(MonoTime now) {
    const bool is_fresh = is_parsed_ && now - read_at_ < kReadAgainAfter;
    if (is_fresh && !(reads_init_ ? init_mounts_ : own_mounts_).MayHaveChanged()) return {};
    ProcFile* file = &init_mounts_;
    auto text = file->Read();
    reads_init_ = text && *text;
    if (!reads_init_) {
      file = &own_mounts_;
      auto own = file->Read();
      // Where both fail, or only the first is there, it is the first that has something to say.
      if (text || (own && *own)) text = std::move(own);
    }
    if (!text) return Fail(std::move(text).error());
    read_at_ = now;
    if (is_parsed_ && text->value_or("") == text_) return {};
    text_ = text->value_or("");
    is_parsed_ = false;
    std::vector<Mount> mounts;
    if (auto parsed = ParseMountinfo(text_, mounts); !parsed) {
      Error error = std::move(parsed).error();
      error.where = file->path();
      return Fail(std::move(error));
    }
    Show(mounts);
    is_parsed_ = true;
    return {};
  }

  // Mounts with the same labels are one: the last of them lies on top of the others.
  void Show(const std::vector<Mount>& mounts) {
    std::map<std::tuple<std::string, std::string, std::string>, std::size_t> shown;
    std::unordered_map<std::string, std::size_t> path_indexes;
    mounts_.clear();
    paths_.clear();
    for (const auto& mount : mounts) {
      const std::string mount_point = WithoutRootfs(mount.mount_point);
      if (excludes_mounts_ && mounts_excluded_.Matches(mount_point)) continue;
      if (excludes_types_ && types_excluded_.Matches(mount.fs_type)) continue;
      ShownMount one{.device = LabelText(mount.source),
                     .fs_type = LabelText(mount.fs_type),
                     .mount_point = LabelText(mount_point),
                     .read_only = mount.read_only};
      const auto key = std::make_tuple(one.device, one.fs_type, one.mount_point);
      const auto [known, is_new] = shown.emplace(key, mounts_.size());
      if (!is_new) {
        mounts_[known->second].read_only = one.read_only;
        continue;
      }
      const std::string path = WithRootfs(mount_point);
      const auto [index, is_new_path] = path_indexes.emplace(path, paths_.size());
      if (is_new_path) paths_.push_back(path);
      one.path = index->second;
      mounts_.push_back(std::move(one));
    }
    workers_.SetPaths(paths_);
  }

  // The mount points as the host sees them, where its root is mounted somewhere in a container.
  std::string WithoutRootfs(const std::string& mount_point) const {
    if (rootfs_ == "/" || !mount_point.starts_with(rootfs_)) return mount_point;
    if (mount_point.size() == rootfs_.size()) return "/";
    return mount_point[rootfs_.size()] == '/' ? mount_point.substr(rootfs_.size()) : mount_point;
  }

  std::string WithRootfs(const std::string& mount_point) const {
    if (rootfs_ == "/") return mount_point;
    return mount_point == "/" ? rootfs_ : rootfs_ + mount_point;
  }

  void AddMount(const ShownMount& mount, const StatvfsWorkers::Reply& reply) {
    if (!reply.is_stuck && !reply.is_answered) return;  // not yet
    Sizes sizes;
    const bool failed = reply.is_stuck || reply.error != 0 || !ToBytes(reply.usage, sizes);
    Add(device_error_, mount, failed ? 1 : 0);
    if (failed) return;
    Add(avail_, mount, sizes.avail);
    Add(files_, mount, reply.usage.f_files);
    Add(files_free_, mount, reply.usage.f_ffree);
    Add(free_, mount, sizes.free);
    Add(readonly_, mount, mount.read_only ? 1 : 0);
    Add(size_, mount, sizes.size);
  }

  void Add(SectionBuilder::FamilyId family, const ShownMount& mount, std::uint64_t bits) {
    builder_.Add(family, {mount.device, mount.fs_type, mount.mount_point}, bits);
  }

  ProcFile init_mounts_;
  ProcFile own_mounts_;
  const std::string rootfs_;  // without a slash at its end, unless it is "/"
  const NamePattern mounts_excluded_;
  const NamePattern types_excluded_;
  const bool excludes_mounts_;
  const bool excludes_types_;
  StatvfsWorkers workers_;
  const Nanoseconds first_wait_;
  const Nanoseconds wait_;
  bool is_first_ = true;

  std::string text_;         // of which mounts_ and paths_ were worked out
  bool is_parsed_ = false;   // they were
  bool reads_init_ = false;  // from init_mounts_
  MonoTime read_at_;
  std::vector<ShownMount> mounts_;
  std::vector<std::string> paths_;
  std::vector<StatvfsWorkers::Reply> replies_;

  const SectionBuilder::FamilyId avail_ = builder_.Declare(kAvail);
  const SectionBuilder::FamilyId device_error_ = builder_.Declare(kDeviceError);
  const SectionBuilder::FamilyId files_ = builder_.Declare(kFiles);
  const SectionBuilder::FamilyId files_free_ = builder_.Declare(kFilesFree);
  const SectionBuilder::FamilyId free_ = builder_.Declare(kFree);
  const SectionBuilder::FamilyId readonly_ = builder_.Declare(kReadonly);
  const SectionBuilder::FamilyId size_ = builder_.Declare(kSize);
};

}  // namespace

SourceResult MakeFilesystemSource(const SourceContext& context) {
  const Settings& settings = context.settings;
  DOAGENT_ASSIGN(auto mounts, settings.GetPattern("mount-points-exclude"));
  DOAGENT_ASSIGN(auto types, settings.GetPattern("fs-types-exclude"));
  return std::make_unique<FilesystemSource>(
      context, std::move(mounts), std::move(types),
      /*mounts_all=*/settings.Get("mount-points-exclude").empty(),
      /*types_all=*/settings.Get("fs-types-exclude").empty());
}

}  // namespace doagent::collector
