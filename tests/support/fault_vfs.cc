#include "tests/support/fault_vfs.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <utility>

namespace doagent::test {
namespace {

constexpr std::size_t kSectorBytes = 512;
constexpr int kRandomSubsets = 2;

// What SQLite holds for a file; the real one stands behind it.
struct ShimFile {
  sqlite3_file base;
  FaultVfs* vfs;
  std::string* path;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

ShimFile* Shim(sqlite3_file* file) {
  return reinterpret_cast<ShimFile*>(file);
}

FaultVfs& Of(sqlite3_vfs* vfs) {
  return *static_cast<FaultVfs*>(vfs->pAppData);
}

int Close(sqlite3_file* file) {
  ShimFile* shim = Shim(file);
  const int code = shim->real()->pMethods->xClose(shim->real());
  delete shim->path;
  return code;
}

int Read(sqlite3_file* file, void* data, int size, sqlite3_int64 offset) {
  ShimFile* shim = Shim(file);
  const int code = shim->vfs->Check(FaultVfs::Call::kRead);
  return code != 0 ? code : shim->real()->pMethods->xRead(shim->real(), data, size, offset);
}

int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  ShimFile* shim = Shim(file);
  int code = shim->vfs->Check(FaultVfs::Call::kWrite);
  if (code == 0) code = shim->real()->pMethods->xWrite(shim->real(), data, size, offset);
  if (code == 0) shim->vfs->NoteWrite(*shim->path, offset, data, size);
  return code;
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  ShimFile* shim = Shim(file);
  int code = shim->vfs->Check(FaultVfs::Call::kTruncate);
  if (code == 0) code = shim->real()->pMethods->xTruncate(shim->real(), size);
  if (code == 0) shim->vfs->NoteTruncate(*shim->path, size);
  return code;
}

int Sync(sqlite3_file* file, int flags) {
  ShimFile* shim = Shim(file);
  int code = shim->vfs->Check(FaultVfs::Call::kSync);
  if (code == 0) code = shim->real()->pMethods->xSync(shim->real(), flags);
  if (code == 0) shim->vfs->NoteSync(*shim->path);
  return code;
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  ShimFile* shim = Shim(file);
  const int code = shim->vfs->Check(FaultVfs::Call::kSize);
  return code != 0 ? code : shim->real()->pMethods->xFileSize(shim->real(), size);
}

int ShmMap(sqlite3_file* file, int page, int size, int extend, void volatile** mapped) {
  ShimFile* shim = Shim(file);
  const int code = shim->vfs->Check(FaultVfs::Call::kShm);
  return code != 0 ? code
                   : shim->real()->pMethods->xShmMap(shim->real(), page, size, extend, mapped);
}

// What passes through.
int Lock(sqlite3_file* file, int level) {
  return Shim(file)->real()->pMethods->xLock(Shim(file)->real(), level);
}
int Unlock(sqlite3_file* file, int level) {
  return Shim(file)->real()->pMethods->xUnlock(Shim(file)->real(), level);
}
int CheckReservedLock(sqlite3_file* file, int* result) {
  return Shim(file)->real()->pMethods->xCheckReservedLock(Shim(file)->real(), result);
}
int FileControl(sqlite3_file* file, int operation, void* argument) {
  return Shim(file)->real()->pMethods->xFileControl(Shim(file)->real(), operation, argument);
}
int SectorSize(sqlite3_file* file) {
  return Shim(file)->real()->pMethods->xSectorSize(Shim(file)->real());
}
int DeviceCharacteristics(sqlite3_file* file) {
  return Shim(file)->real()->pMethods->xDeviceCharacteristics(Shim(file)->real());
}
int ShmLock(sqlite3_file* file, int offset, int count, int flags) {
  return Shim(file)->real()->pMethods->xShmLock(Shim(file)->real(), offset, count, flags);
}
void ShmBarrier(sqlite3_file* file) {
  Shim(file)->real()->pMethods->xShmBarrier(Shim(file)->real());
}
int ShmUnmap(sqlite3_file* file, int remove) {
  return Shim(file)->real()->pMethods->xShmUnmap(Shim(file)->real(), remove);
}

// Version 2: with shared memory, without mapping the database, so that every read comes here.
constexpr sqlite3_io_methods kMethods = {2,
                                         Close,
                                         Read,
                                         Write,
                                         Truncate,
                                         Sync,
                                         FileSize,
                                         Lock,
                                         Unlock,
                                         CheckReservedLock,
                                         FileControl,
                                         SectorSize,
                                         DeviceCharacteristics,
                                         ShmMap,
                                         ShmLock,
                                         ShmBarrier,
                                         ShmUnmap,
                                         nullptr,
                                         nullptr};

int Open(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  FaultVfs& fault = Of(vfs);
  ShimFile* shim = Shim(file);
  shim->base.pMethods = nullptr;
  int code = fault.Check(FaultVfs::Call::kOpen);
  if (code == 0) code = fault.real()->xOpen(fault.real(), name, shim->real(), flags, out_flags);
  if (code != 0) return code;
  shim->vfs = &fault;
  shim->path = new std::string(name == nullptr ? "" : name);
  shim->base.pMethods = &kMethods;
  return SQLITE_OK;
}

int Delete(sqlite3_vfs* vfs, const char* name, int sync_folder) {
  FaultVfs& fault = Of(vfs);
  int code = fault.Check(FaultVfs::Call::kDelete);
  if (code == 0) code = fault.real()->xDelete(fault.real(), name, sync_folder);
  if (code == 0) fault.NoteDelete(name);
  return code;
}

}  // namespace

FaultVfs::FaultVfs() : real_(sqlite3_vfs_find(nullptr)) {
  shim_ = *real_;
  shim_.zName = "fault";
  shim_.pNext = nullptr;
  shim_.pAppData = this;
  shim_.szOsFile = static_cast<int>(sizeof(ShimFile)) + real_->szOsFile;
  shim_.xOpen = Open;
  shim_.xDelete = Delete;
  sqlite3_vfs_register(&shim_, /*makeDflt=*/1);
}

FaultVfs::~FaultVfs() {
  sqlite3_vfs_unregister(&shim_);
  sqlite3_vfs_register(real_, /*makeDflt=*/1);
}

void FaultVfs::FailAt(Call call, std::uint64_t nth, int code, std::uint64_t more, int error) {
  const std::lock_guard lock(mutex_);
  until_[static_cast<std::size_t>(call)] = nth;
  more_[static_cast<std::size_t>(call)] = more;
  code_ = code;
  error_ = error;
  failed_ = false;
}

bool FaultVfs::failed() const {
  const std::lock_guard lock(mutex_);
  return failed_;
}

void FaultVfs::Heal() {
  const std::lock_guard lock(mutex_);
  until_.fill(0);
  more_.fill(0);
}

int FaultVfs::Check(Call call) {
  const std::lock_guard lock(mutex_);
  std::uint64_t& until = until_[static_cast<std::size_t>(call)];
  std::uint64_t& more = more_[static_cast<std::size_t>(call)];
  if (until == 0 || --until > 0) return SQLITE_OK;
  failed_ = true;
  if (more > 0) {
    --more;
    until = 1;
  }
  errno = error_;
  return code_;
}

void FaultVfs::StartJournal(const std::filesystem::path& folder) {
  const std::lock_guard lock(mutex_);
  folder_ = std::filesystem::absolute(folder).string() + "/";
  journal_.clear();
  before_.clear();
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    const std::string name = entry.path().filename().string();
    if (name.ends_with("-shm") || name.ends_with(".lock") || name.ends_with(".reserve")) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    before_[name] = std::string(std::istreambuf_iterator<char>(file), {});
  }
}

std::size_t FaultVfs::journal_size() const {
  const std::lock_guard lock(mutex_);
  return journal_.size();
}

void FaultVfs::Note(const std::string& path, Operation operation) {
  const std::lock_guard lock(mutex_);
  if (folder_.empty() || !path.starts_with(folder_)) return;
  operation.file = path.substr(folder_.size());
  journal_.push_back(std::move(operation));
}

void FaultVfs::NoteWrite(const std::string& path, std::int64_t offset, const void* data, int size) {
  Note(path, {Operation::Kind::kWrite, "", static_cast<std::size_t>(offset),
              std::string(static_cast<const char*>(data), static_cast<std::size_t>(size))});
}

void FaultVfs::NoteTruncate(const std::string& path, std::int64_t size) {
  Note(path, {Operation::Kind::kTruncate, "", static_cast<std::size_t>(size), ""});
}

void FaultVfs::NoteSync(const std::string& path) {
  Note(path, {Operation::Kind::kSync, "", 0, ""});
}

void FaultVfs::NoteDelete(const std::string& path) {
  Note(path, {Operation::Kind::kDelete, "", 0, ""});
}

void FaultVfs::Apply(const Operation& operation, std::size_t bytes, Files& files) {
  switch (operation.kind) {
    case Operation::Kind::kWrite: {
      std::string& content = files[operation.file];
      const std::size_t size = std::min(bytes, operation.data.size());
      content.resize(std::max(content.size(), operation.offset + size));
      std::copy_n(operation.data.begin(), size,
                  content.begin() + static_cast<std::ptrdiff_t>(operation.offset));
      break;
    }
    case Operation::Kind::kTruncate: files[operation.file].resize(operation.offset); break;
    case Operation::Kind::kDelete: files.erase(operation.file); break;
    case Operation::Kind::kSync: break;
  }
}

void FaultVfs::VisitStates(std::size_t entries, std::size_t each_max, std::uint64_t seed,
                           const std::function<void(const Files&)>& visit) const {
  using Kind = Operation::Kind;
  constexpr auto kWhole = ~std::size_t{0};
  // What is on the disk in any case, and what may be.
  std::vector<const Operation*> unsynced;
  Files durable = before_;
  for (std::size_t i = 0; i < entries; ++i) {
    const Operation& operation = journal_[i];
    if (operation.kind != Kind::kSync) {
      unsynced.push_back(&operation);
      continue;
    }
    const auto settled =
        std::stable_partition(unsynced.begin(), unsynced.end(), [&operation](const Operation* one) {
          return one->file == operation.file || one->kind == Kind::kDelete;
        });
    for (auto one = unsynced.begin(); one != settled; ++one) Apply(**one, kWhole, durable);
    unsynced.erase(unsynced.begin(), settled);
  }
  const auto with = [&](const std::function<std::size_t(std::size_t)>& bytes_of) {
    Files files = durable;
    // A name that was not given up still means the old file: what was written to a new one under
    // it is not to be seen.
    std::set<std::string> kept;
    for (std::size_t i = 0; i < unsynced.size(); ++i) {
      const std::size_t bytes = bytes_of(i);
      if (bytes > 0 && kept.count(unsynced[i]->file) == 0) Apply(*unsynced[i], bytes, files);
      if (bytes == 0 && unsynced[i]->kind == Kind::kDelete) kept.insert(unsynced[i]->file);
    }
    visit(files);
  };
  with([&](std::size_t) { return kWhole; });
  if (unsynced.empty()) return;
  with([](std::size_t) { return std::size_t{0}; });
  std::mt19937_64 random(seed);
  std::vector<std::size_t> each(unsynced.size());
  for (std::size_t i = 0; i < each.size(); ++i) each[i] = i;
  if (each.size() > each_max) {
    std::shuffle(each.begin(), each.end(), random);
    each.resize(each_max);
  }
  for (const std::size_t one : each) {
    with([&](std::size_t i) { return i == one ? 0 : kWhole; });
    with([&](std::size_t i) { return i == one ? kWhole : 0; });
  }
  const std::size_t last = unsynced.size() - 1;
  for (std::size_t torn = kSectorBytes; torn < unsynced[last]->data.size(); torn += kSectorBytes) {
    with([&](std::size_t i) { return i == last ? torn : kWhole; });
  }
  for (int subset = 0; subset < kRandomSubsets; ++subset) {
    const std::uint64_t threshold = random();
    with([&](std::size_t) { return random() < threshold ? kWhole : 0; });
  }
}

}  // namespace doagent::test
