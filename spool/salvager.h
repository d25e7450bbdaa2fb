// Works through everything beside a spool that is to be taken over, one salvage after the other.
// Not thread-safe; works on the writing connection.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
  // Finds what was set aside beside the spool and not taken over yet. `host`: of records whose
  // origin cannot be made out.
  static Result<std::unique_ptr<Salvager>> Prepare(Writer& writer, Sealer& sealer, Host host);

  // A file without a name; comes first.
  void AddVanished(std::shared_ptr<const Wreck> wreck);

  // Whether something that is still to be taken over has records of this spool id.
  bool Concerns(std::string_view spool_id) const;

  // Of the receiver whose file was set aside last, if that still says it.
  std::optional<ReceiverId> FormerReceiver() const;

  enum class Progress {
    kNothing,  // there is nothing to be taken over
    kMore,
    kSeen,  // all of one is seen: current() is to be finished
  };
  Result<Progress> Step();

  // Takes over the records in a log of this very spool at once. current() is to be finished.
  Result<void> TakeOverLog(const std::filesystem::path& log_aside);

  // REQUIRES that kSeen was the last answer, or TakeOverLog done.
  Salvage& current() { return *salvage_; }
  // It is finished.
  void Done();
  // Begins again with what it was at: an origin is gone.
  void BeginAgain() { salvage_.reset(); }

 private:
  struct Source {
    std::string name;
    std::filesystem::path path;          // of the set
    std::shared_ptr<const Wreck> wreck;  // instead of that
  };

  Salvager(Writer& writer, Sealer& sealer, Host host)
      : writer_(writer), sealer_(sealer), host_(std::move(host)) {}

  Writer& writer_;
  Sealer& sealer_;
  const Host host_;
  std::vector<Source> sources_;
  std::unique_ptr<Salvage> salvage_;
  bool seen_ = false;
};

}  // namespace doagent::spool
