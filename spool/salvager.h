// Works through everything beside a spool that is to be taken over, one salvage after the other.
// Not thread-safe; works on the writing connection.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "spool/held_file.h"
#include "spool/ids.h"
#include "spool/model.h"
#include "spool/result.h"
#include "spool/salvage.h"
#include "spool/sealer.h"
#include "spool/wreck.h"
#include "spool/writer.h"

namespace doagent::spool {

class Salvager {
 public:
  // By the names of files that were set aside.
  using Known = std::map<std::string, std::vector<KnownOrigin>>;

  // Finds what was set aside beside the spool and not taken over yet. `host`: of records whose
  // origin cannot be made out.
  static Result<std::unique_ptr<Salvager>> Prepare(Writer& writer, Sealer& sealer, Host host,
                                                   const Known& known);

  // Files without a name in the file system; come first. Those that were taken over are
  // removed from the list: the commit that did may have failed, and be on the disk all the same.
  Result<void> AddVanished(std::vector<Vanished>& vanished);

  // Whether something that is still to be taken over has records of this spool id.
  bool Concerns(std::string_view spool_id) const;

  // Of the receiver whose file was set aside last, of those that still say it.
  std::optional<ReceiverId> FormerReceiver() const;

  bool empty() const { return sources_.empty(); }

  // Makes the origins known of everything that is to be taken over, before their records come.
  Result<void> PutOrigins();

  enum class Progress {
    kNothing,  // there is nothing to be taken over
    kMore,
    kSeen,  // all of one is seen: current() is to be finished
  };
  Result<Progress> Step();

  // Takes over the records in logs of this very spool at once: in `copied`, if it is not empty,
  // which this opening has made, and in those of which an earlier one has left some. current() is
  // to be finished as long as there are SeenLogs().
  Result<void> TakeOverLogs(const std::filesystem::path& copied);
  bool SeenLogs() const { return !logs_.empty(); }

  // REQUIRES that kSeen was the last answer, or SeenLogs().
  Salvage& current() { return logs_.empty() ? *salvage_ : *logs_.front(); }
  // It is finished.
  void Done();
  // Begins again with what it was at: an origin is gone.
  void BeginAgain() { salvage_.reset(); }

  // What could not be read, for people. It is left alone until the next opening.
  std::vector<std::string> TakeNotices() { return std::exchange(notices_, {}); }

 private:
  struct Source {
    Source(std::string its_name, std::string its_time, std::shared_ptr<const Wreck> its_wreck,
           std::vector<KnownOrigin> its_known = {});

    std::string name;
    std::string time;  // when it was set aside or gone: later ones are greater
    std::shared_ptr<const Wreck> wreck;
    std::vector<KnownOrigin> known;
    std::shared_ptr<const WreckTables> tables;  // read once: they may be long
  };

  Salvager(Writer& writer, Sealer& sealer, Host host)
      : writer_(writer), sealer_(sealer), host_(std::move(host)) {}

  Result<void> Add(const std::filesystem::path& aside, const Known& known);
  // Whether another wreck that is to be taken over had taken it over itself.
  bool IsInAnother(const std::string& name) const;
  // What was removed by command from files that came later is not to come back.
  std::set<SpoolId> RemovedAfter(const std::string& time) const;
  Result<std::unique_ptr<Salvage>> Begin(const Source& source, WreckKind kind);

  Writer& writer_;
  Sealer& sealer_;
  const Host host_;
  std::vector<Source> sources_;
  std::unique_ptr<Salvage> salvage_;            // of the first one; none: not begun
  std::vector<std::unique_ptr<Salvage>> logs_;  // of which everything is seen
  std::vector<std::string> notices_;
};

}  // namespace doagent::spool
