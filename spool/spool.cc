#include "spool/spool.h"

#include <utility>

#include "spool/check.h"
#include "spool/recognise.h"
#include "spool/spool_impl.h"

namespace doagent::spool {
namespace {

// Nobody may be listening.
constexpr std::size_t kNoticesMax = 16;

}  // namespace

OriginState* Spool::Impl::Find(const SpoolId& spool_id) {
  for (auto& [number, state] : states_) {
    if (state.row.spool_id == spool_id) return &state;
  }
  return nullptr;
}

const OriginState* Spool::Impl::Find(const SpoolId& spool_id) const {
  return const_cast<Impl*>(this)->Find(spool_id);
}

void Spool::Impl::OnAppend(std::function<void()> callback) {
  const std::lock_guard lock(state_mutex_);
  on_append_ = std::move(callback);
}

SpoolId Spool::Impl::spool_id() const {
  const std::lock_guard lock(state_mutex_);
  return states_.at(current_).row.spool_id;
}

Sequence Spool::Impl::head() const {
  const std::lock_guard lock(state_mutex_);
  return states_.at(current_).head;
}

std::vector<std::string> Spool::Impl::TakeNotices() {
  const std::lock_guard lock(state_mutex_);
  return std::exchange(notices_, {});
}

void Spool::Impl::Notice(std::string text) {
  const std::lock_guard lock(state_mutex_);
  if (notices_.size() < kNoticesMax) notices_.push_back(std::move(text));
}

std::uint64_t Spool::Impl::offers() const {
  const std::lock_guard lock(state_mutex_);
  return offers_;
}

bool Spool::Impl::holds_removed_file() const {
  const std::lock_guard lock(write_mutex_);
  return !vanished_.empty() || held_.IsGone();
}

std::size_t Spool::Impl::waiting() const {
  const std::lock_guard lock(state_mutex_);
  return waiting_;
}

Spool::Spool(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Spool::~Spool() = default;

Result<std::unique_ptr<Spool>> Spool::Open(const SpoolOptions& options) {
  DOAGENT_CHECK(options.random != nullptr);
  // Before the lock: its file is not to be left beside somebody else's.
  DOAGENT_TRY(CheckPath(options.path));
  DOAGENT_ASSIGN(LockFile lock, LockFile::Acquire(options.path, options.program));
  auto impl = std::make_unique<Impl>(options, std::move(lock));
  DOAGENT_TRY(impl->Begin());
  return std::unique_ptr<Spool>(new Spool(std::move(impl)));
}

Result<void> Spool::CheckPath(const std::filesystem::path& path) {
  DOAGENT_ASSIGN([[maybe_unused]] const Recognised recognised, Recognise(path));
  return {};
}

Result<Sequence> Spool::Append(const Snapshot& snapshot) {
  return impl_->Append(snapshot);
}
Result<Sequence> Spool::Append(const Event& event) {
  return impl_->Append(event);
}
Result<bool> Spool::Maintain(WallTime wall, MonoTime mono) {
  return impl_->Maintain(wall, mono);
}
Result<std::vector<Claim>> Spool::Claims() {
  return impl_->Claims();
}
Result<PendingRecords> Spool::NextPending(const SpoolId& spool_id, const RangeSet& skip,
                                          std::size_t bytes_max) {
  return impl_->NextPending(spool_id, skip, bytes_max);
}
Result<PendingRecords> Spool::Read(const SpoolId& spool_id, SequenceRange range) {
  return impl_->Read(spool_id, range);
}
Result<std::vector<StoredObject>> Spool::Objects(const std::vector<ObjectId>& ids) {
  return impl_->Objects(ids);
}
void Spool::SealBacklog() {
  impl_->SealBacklog();
}
void Spool::Acknowledge(const SpoolId& spool_id, const ReceiverId& receiver,
                        const RangeSet& ranges) {
  impl_->Acknowledge(spool_id, receiver, ranges);
}
ReceiverId Spool::LatestReceiver() const {
  return impl_->LatestReceiver();
}

RangeSet Spool::Acknowledged(const SpoolId& spool_id, const ReceiverId& receiver) const {
  return impl_->Acknowledged(spool_id, receiver);
}
Result<void> Spool::Unacknowledge(const SpoolId& spool_id, const ReceiverId& receiver,
                                  const RangeSet& ranges) {
  return impl_->Unacknowledge(spool_id, receiver, ranges);
}
Result<void> Spool::Park(const SpoolId& spool_id, const RangeSet& sequences,
                         const std::string& reason, WallTime wall, MonoTime mono) {
  return impl_->Park(spool_id, sequences, reason, wall, mono);
}
Result<SpoolId> Spool::StartNewEpoch(Sequence from, const std::string& reason, WallTime wall,
                                     MonoTime mono) {
  return impl_->StartNewEpoch(from, reason, wall, mono);
}
void Spool::OnAppend(std::function<void()> callback) {
  impl_->OnAppend(std::move(callback));
}
SpoolId Spool::spool_id() const {
  return impl_->spool_id();
}
std::vector<std::string> Spool::TakeNotices() {
  return impl_->TakeNotices();
}
SpoolStats Spool::Stats() {
  return impl_->Stats();
}
std::uint64_t Spool::offers() const {
  return impl_->offers();
}
bool Spool::holds_removed_file() const {
  return impl_->holds_removed_file();
}

std::size_t Spool::waiting() const {
  return impl_->waiting();
}
Sequence Spool::head() const {
  return impl_->head();
}
const std::filesystem::path& Spool::path() const {
  return impl_->path();
}

}  // namespace doagent::spool
