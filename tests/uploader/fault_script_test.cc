// Whatever goes wrong, in whatever order: in the end every record is at the receiver once, or set
// aside because it was refused, and on the way no rule of the conversation was broken.

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <chrono>
#include <ostream>
#include <string>
#include <vector>

#include "tests/support/upload_world.h"

namespace doagent::test {

enum class Fault {
  kCut,
  kUnreachableForAWhile,
  kStallForAWhile,
  kLoseAnswers,
  kShuffleAnswers,
  kRefuseTokenForAWhile,
  kRefuseForNowForAWhile,
  kPoisonNextRecord,
  kRefuseExactly,
  kForgetObjects,
  kBackUp,
  kRestoreBackup,
  kPause,
  kShrinkWindow,
  kSlowLink,
  kStrangeAnswers,
  kRestartCleanly,
  kKill,
  kAppend,
  kCount,  // of the above
};

struct FaultAt {
  Fault fault = Fault::kCut;
  int after_ms = 0;
};

// How a failing script is shown.
std::ostream& operator<<(std::ostream& out, const FaultAt& fault) {
  return out << "{fault " << static_cast<int>(fault.fault) << " after " << fault.after_ms << " ms}";
}

namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;
using uploader::Closed;
using uploader::CloseReason;

rc::Gen<FaultAt> GenFault() {
  const auto kinds = rc::gen::inRange(0, static_cast<int>(Fault::kCount));
  // Within a round trip (40 ms), within a session, within a backoff.
  const auto times = rc::gen::oneOf(rc::gen::inRange(0, 60), rc::gen::inRange(0, 5'000),
                                    rc::gen::inRange(0, 300'000));
  return rc::gen::apply(
      [](int kind, int after_ms) {
        return FaultAt{static_cast<Fault>(kind), after_ms};
      },
      rc::gen::resize(rc::kNominalSize, kinds), rc::gen::resize(rc::kNominalSize, times));
}

struct Script {
  UploadWorld& world;
  FakeReceiver::Storage backup = {};
  std::set<std::uint64_t> poison = {};  // checksums: they stay whatever the record is called

  void Poison(Sequence sequence) {
    for (const auto& [spool_id, record] : world.Records()) {
      if (spool_id == world.spool->spool_id() && record.sequence == sequence) {
        poison.insert(record.checksum);
      }
    }
  }

  void SayStrangeThings() {
    if (!world.transport.open() || world.status().sessions == 0) return;
    const auto id = world.spool->spool_id();
    world.transport.Say(uploader::Heartbeat());
    // Truly stored, and said for the second time.
    const auto& stored = world.receiver.storage.origins[id].sequences;
    if (!stored.empty()) world.transport.Say(uploader::Ack{id, stored});
    world.transport.Say(uploader::Ack{SpoolId(), spool::RangeSet({{1, 1000}})});
  }

  void ForAWhile(const std::function<void()>& end) { world.After(minutes(2), end); }

  void Apply(Fault fault);
};

void Script::Apply(Fault fault) {
  auto& transport = world.transport;
  auto& receiver = world.receiver;
  const Closed cut{CloseReason::kUnreachable, "cut", {}};
  switch (fault) {
    case Fault::kCut: transport.Cut(cut); break;
    case Fault::kUnreachableForAWhile:
      transport.Cut(cut);
      transport.reachable = false;
      ForAWhile([&transport] { transport.reachable = true; });
      break;
    case Fault::kStallForAWhile:
      transport.stalled = true;
      ForAWhile([&transport] { transport.stalled = false; });
      break;
    case Fault::kLoseAnswers: transport.lose_answers += 2; break;
    case Fault::kShuffleAnswers:
      transport.shuffle_answers = !transport.shuffle_answers;
      receiver.acks_per_batch = transport.shuffle_answers ? 3 : 1;
      break;
    case Fault::kRefuseTokenForAWhile:
      transport.Cut({CloseReason::kUnauthenticated, "token", {}});
      transport.refuse_with = Closed{CloseReason::kUnauthenticated, "token", {}};
      ForAWhile([&transport] { transport.refuse_with.reset(); });
      break;
    case Fault::kRefuseForNowForAWhile:
      receiver.refuse_for_now = milliseconds(700);
      ForAWhile([&receiver] { receiver.refuse_for_now.reset(); });
      break;
    case Fault::kPoisonNextRecord: {
      // Not sent yet: the network is slower than this.
      const auto sequence = world.spool->head() + 1;
      world.Append();
      Poison(sequence);
      break;
    }
    case Fault::kRefuseExactly: receiver.refuse_exactly = !receiver.refuse_exactly; break;
    case Fault::kForgetObjects:
      receiver.storage.objects.clear();
      receiver.name_missing_objects = !receiver.name_missing_objects;
      break;
    case Fault::kBackUp: backup = receiver.storage; break;
    case Fault::kRestoreBackup:
      transport.Cut(cut);
      receiver.storage = backup;
      break;
    case Fault::kPause: transport.Say(uploader::Control{milliseconds(0), seconds(40)}); break;
    case Fault::kShrinkWindow:
      receiver.window_bytes = receiver.window_bytes == 0 ? 3'000 : 0;
      receiver.batch_bytes_max = receiver.window_bytes / 3;
      transport.Cut(cut);  // it holds from the next Welcome on
      break;
    case Fault::kSlowLink:
      transport.bytes_per_second = transport.bytes_per_second > 0 ? 0 : 1'000;
      break;
    case Fault::kStrangeAnswers: SayStrangeThings(); break;
    case Fault::kRestartCleanly: world.Restart(/*clean=*/true); break;
    case Fault::kKill: world.Restart(/*clean=*/false); break;
    case Fault::kAppend: world.Append(15); break;
    case Fault::kCount: break;
  }
}

RC_GTEST_PROP(FaultScript, EveryRecordArrivesOnceOrIsSetAside, ()) {
  const auto script = *rc::gen::container<std::vector<FaultAt>>(GenFault());
  UploadWorld::Options options;
  options.seed = *rc::gen::arbitrary<std::uint64_t>();
  options.uploader.batch_bytes_max = 4'000;
  options.uploader.window_bytes = 12'000;
  UploadWorld world(options);
  world.transport.window_bytes_max = 12'000;
  Script faults{world};
  world.receiver.poisonous = [&faults](const SpoolId&, const spool::StoredRecord& record) {
    return faults.poison.contains(record.checksum);
  };
  world.Append(25);
  for (const auto& fault : script) {
    world.Run(milliseconds(fault.after_ms), seconds(45));
    faults.Apply(fault.fault);
  }
  // The faults are over, apart from what lasts: poison, a slow link, a small window.
  world.Run(minutes(3));
  world.transport.lose_answers = 0;
  world.Run(minutes(25), minutes(2));  // also looks at all that the receiver has
  RC_ASSERT(world.RunUntilDrained(hours(1)));

  RC_ASSERT(world.Check() == std::vector<std::string>());
  for (const auto& [spool_id, record] : world.Records()) {
    const bool parked = world.Parked().contains({spool_id, record.sequence});
    // Nothing but poison is set aside; poison may have arrived before it was known as such.
    if (parked) RC_ASSERT(faults.poison.contains(record.checksum));
  }
  RC_ASSERT(world.status().counters.epochs_started == 0U);
  // No busy loop: a few steps for each batch, answer, attempt and record.
  const auto events = 4 * (world.transport.sends.size() + world.transport.attempts.size() +
                           world.Records().size() + world.notices.size());
  RC_ASSERT(world.steps < events + 100);
}

}  // namespace
}  // namespace doagent::test
