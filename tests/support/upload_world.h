// An uploader at work on a real spool, with a fake network, a fake receiver and a clock that jumps
// from one thing that happens to the next: a week passes in a second.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "spool/spool.h"
#include "spool/time.h"
#include "tests/support/fake_receiver.h"
#include "tests/support/fake_transport.h"
#include "tests/support/temp_dir.h"
#include "uploader/uploader.h"

namespace doagent::test {

class UploadWorld {
 public:
  struct Options {
    std::uint64_t seed = 1;
    int key_interval = 4;
    std::size_t seal_snapshots = 0;      // rows become blocks of so many; 0: never
    uploader::UploaderOptions uploader;  // its random is the world's
    ReceiverEnd* receiver = nullptr;     // instead of the FakeReceiver
  };

  UploadWorld() : UploadWorld(Options()) {}
  explicit UploadWorld(Options options);

  // Stores a snapshot, and wakes the uploader if it is running.
  Sequence Append();
  void Append(int count);

  // A step of the spool's upkeep. True: there may be more.
  bool Maintain();

  // Lets time pass, with an append now and then (zero: none).
  void Run(Nanoseconds duration, Nanoseconds append_every = Nanoseconds(0));
  // Lets time pass until it holds. False: it did not within the limit.
  bool RunUntil(const std::function<bool()>& holds, Nanoseconds limit);
  bool RunUntilDrained(Nanoseconds limit = std::chrono::hours(24));
  // Has something happen at that time from now.
  void After(Nanoseconds delay, std::function<void()> action);

  // The process ends, cleanly or not, and begins again.
  void Restart(bool clean = true);
  // The machine's disk as it is now, and back to an earlier one, as a virtual machine's snapshot.
  void TakeImage();
  void RestoreImage();

  // What is wrong with what arrived: each record in the spool has to be at the receiver, once and
  // as it is, or set aside; the receiver may have nothing else of these spool ids. Empty: nothing.
  std::vector<std::string> Check();
  std::set<FakeReceiver::Name> Parked();
  // All rows and events of this spool, by spool id.
  std::vector<std::pair<SpoolId, spool::StoredRecord>> Records();

  const uploader::UploaderStatus& status() const { return uploader->Status(); }
  // All notices so far, one a line.
  std::string Notices() const;

  MonoTime clock = MonoTime(std::chrono::hours(1));
  FakeReceiver receiver;
  FakeTransport transport;
  std::unique_ptr<spool::Spool> spool;
  std::unique_ptr<uploader::Uploader> uploader;
  std::vector<uploader::Notice> notices;
  std::set<SpoolId> spool_ids;      // that were current at one time
  std::uint64_t steps = 0;          // of the uploader
  std::vector<std::string> faults;  // of the uploader's promises

 private:
  void Open();
  void Step(std::optional<uploader::TransportEvent> event);
  WallTime Wall() const { return WallTime(std::chrono::seconds(1'700'000'000)) + (clock - start_); }
  std::filesystem::path SpoolPath() const { return folder_ / "spool.db"; }

  const Options options_;
  const MonoTime start_ = clock;
  TempDir folder_{TempDir::Where::kMemory};
  std::uint64_t opening_ = 0;
  std::uint64_t ticks_ = 0;
  std::multimap<MonoTime, std::function<void()>> actions_;
};

}  // namespace doagent::test
