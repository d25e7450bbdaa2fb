#include "tests/support/upload_world.h"

#include <algorithm>
#include <random>

#include "spool/check.h"
#include "spool/reader.h"
#include "tests/support/snapshots.h"

namespace doagent::test {

UploadWorld::UploadWorld(Options options)
    : receiver(options.seed),
      transport(options.receiver != nullptr ? *options.receiver : receiver, clock, options.seed),
      options_(std::move(options)) {
  Open();
}

void UploadWorld::Open() {
  auto spool_options = TestSpoolOptions(SpoolPath(), options_.seed * 1000 + ++opening_);
  spool_options.key_interval = options_.key_interval;
  spool_options.seal.backlog = 0;
  if (options_.seal_snapshots > 0) {
    spool_options.seal.snapshots = options_.seal_snapshots;
    spool_options.seal.backlog = 6;
  }
  spool_options.wall = Wall();
  spool_options.mono = clock;
  auto opened = spool::Spool::Open(spool_options);
  DOAGENT_CHECK(opened.has_value());
  spool = *std::move(opened);
  spool_ids.insert(spool->spool_id());
  auto uploader_options = options_.uploader;
  const auto random = std::make_shared<std::mt19937_64>(options_.seed + opening_);
  uploader_options.random = [random] {
    return std::uniform_real_distribution<double>(0, 1)(*random);
  };
  uploader = std::make_unique<uploader::Uploader>(*spool, transport, uploader_options);
}

void UploadWorld::Restart(bool clean) {
  transport.Close();
  if (clean) {
    spool::Event stop;
    stop.kind = spool::EventKind::kStop;
    stop.wall = Wall();
    stop.mono = clock;
    DOAGENT_CHECK(spool->Append(stop).has_value());
  }
  uploader.reset();
  spool.reset();
  Open();
}

void UploadWorld::TakeImage() {
  std::filesystem::remove_all(folder_ / "image");
  std::filesystem::create_directory(folder_ / "image");
  for (const char* name : {"spool.db", "spool.db-wal"}) {
    if (std::filesystem::exists(folder_ / name)) {
      std::filesystem::copy_file(folder_ / name, folder_ / "image" / name);
    }
  }
}

void UploadWorld::RestoreImage() {
  transport.Close();
  uploader.reset();
  spool.reset();
  for (const char* name : {"spool.db", "spool.db-wal", "spool.db-shm"}) {
    std::filesystem::remove(folder_ / name);
    if (std::filesystem::exists(folder_ / "image" / name)) {
      std::filesystem::copy_file(folder_ / "image" / name, folder_ / name);
    }
  }
  Open();
}

Sequence UploadWorld::Append() {
  // Snapshots of one instant are in no block together.
  if (options_.seal_snapshots > 0) clock += std::chrono::milliseconds(1);
  auto snapshot = MakeSnapshot(++ticks_);
  snapshot.wall = Wall();
  snapshot.mono = clock;
  const auto sequence = spool->Append(snapshot);
  DOAGENT_CHECK(sequence.has_value());
  if (steps > 0) Step(std::nullopt);
  while (options_.seal_snapshots > 0 && Maintain()) continue;
  return *sequence;
}

bool UploadWorld::Maintain() {
  const auto more = spool->Maintain(Wall(), clock);
  DOAGENT_CHECK(more.has_value());
  return *more;
}

void UploadWorld::Append(int count) {
  for (int i = 0; i < count; ++i) Append();
}

void UploadWorld::After(Nanoseconds delay, std::function<void()> action) {
  actions_.emplace(clock + delay, std::move(action));
}

void UploadWorld::Step(std::optional<uploader::TransportEvent> event) {
  ++steps;
  uploader->Step(clock, Wall(), std::move(event));
  spool_ids.insert(spool->spool_id());
  for (auto& notice : uploader->TakeNotices()) notices.push_back(std::move(notice));
  if (uploader->NextDeadline() <= clock) faults.emplace_back("a deadline that has passed");
}

void UploadWorld::Run(Nanoseconds duration, Nanoseconds append_every) {
  const auto end = clock + duration;
  auto next_append = append_every.count() > 0 ? clock + append_every : MonoTime::max();
  for (;;) {
    const auto next_action = actions_.empty() ? MonoTime::max() : actions_.begin()->first;
    const auto next =
        std::min({end, next_append, next_action, uploader->NextDeadline(), transport.NextTime()});
    clock = std::max(clock, next);
    if (next_action <= clock) {
      auto action = std::move(actions_.extract(actions_.begin()).mapped());
      action();
    } else if (auto event = transport.Take()) {
      Step(std::move(event));
    } else if (next_append <= clock) {
      next_append += append_every;
      Append();
    } else if (uploader->NextDeadline() <= clock) {
      Step(std::nullopt);
    } else if (clock >= end) {
      return;
    }
  }
}

bool UploadWorld::RunUntil(const std::function<bool()>& holds, Nanoseconds limit) {
  const auto end = clock + limit;
  while (!holds()) {
    if (clock >= end) return false;
    const auto next_action = actions_.empty() ? MonoTime::max() : actions_.begin()->first;
    const auto next = std::min({end, next_action, uploader->NextDeadline(), transport.NextTime()});
    // To the next thing that happens, and no further.
    Run(std::max(next, clock) - clock);
  }
  return true;
}

bool UploadWorld::RunUntilDrained(Nanoseconds limit) {
  return RunUntil([this] { return status().drained; }, limit);
}

std::string UploadWorld::Notices() const {
  std::string all;
  for (const auto& notice : notices) all += notice.text + "\n";
  return all;
}

std::set<FakeReceiver::Name> UploadWorld::Parked() {
  auto reader = spool::Reader::Open(SpoolPath());
  DOAGENT_CHECK(reader.has_value());
  const auto parked = (*reader)->Parked();
  DOAGENT_CHECK(parked.has_value());
  std::set<FakeReceiver::Name> names;
  for (const auto& record : *parked) names.emplace(record.spool_id, record.sequence);
  return names;
}

std::vector<std::pair<SpoolId, spool::StoredRecord>> UploadWorld::Records() {
  std::vector<std::pair<SpoolId, spool::StoredRecord>> all;
  for (const auto& spool_id : spool_ids) {
    for (Sequence from = 1;;) {
      const auto read = spool->Read(spool_id, {from, spool::kSequenceMax});
      if (!read.has_value() || read->records.empty()) break;
      for (const auto& record : read->records) all.emplace_back(spool_id, record);
      from = read->records.back().sequence + 1;
    }
  }
  return all;
}

std::vector<std::string> UploadWorld::Check() {
  auto wrong = faults;
  wrong.insert(wrong.end(), transport.violations.begin(), transport.violations.end());
  const auto parked = Parked();
  std::set<FakeReceiver::Name> ours;
  for (const auto& [spool_id, record] : Records()) {
    const auto name = spool_id.Hex() + " " + std::to_string(record.sequence);
    ours.emplace(spool_id, record.sequence);
    const bool there = receiver.Has(spool_id, record.sequence);
    if (there && receiver.storage.origins.at(spool_id).records.at(record.sequence).checksum !=
                     record.checksum) {
      wrong.push_back(name + " is another record at the receiver");
    }
    if (!there && !parked.contains({spool_id, record.sequence})) {
      wrong.push_back(name + " is not at the receiver");
    }
  }
  for (const auto& spool_id : spool_ids) {
    for (const auto& [sequence, stored] : receiver.storage.origins[spool_id].records) {
      if (!ours.contains({spool_id, sequence})) {
        wrong.push_back(spool_id.Hex() + " " + std::to_string(sequence) + " is nobody's");
      }
    }
  }
  return wrong;
}

}  // namespace doagent::test
