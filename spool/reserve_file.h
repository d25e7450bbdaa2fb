// A file beside the spool that holds nothing but space. In a full file system even removing records
// needs some: giving the reserve up is what lets the spool make room by itself.
#pragma once

#include <cstdint>
#include <filesystem>

namespace doagent::spool {

class ReserveFile {
 public:
  // Looks whether there is one; makes none. `bytes_max`: how large the spool may become, 0 for no
  // limit; the reserve is a small part of that and of the disk.
  ReserveFile(const std::filesystem::path& spool, std::uint64_t bytes_max);

  // Makes it, if there is none and the disk has plenty of space besides.
  void Restore();
  // False: there was none.
  bool GiveUp();

  std::uint64_t bytes() const { return there_ ? bytes_ : 0; }
  // What it lacks while it is given up.
  bool there() const { return there_; }

 private:
  std::filesystem::path path_;
  std::uint64_t bytes_ = 0;
  bool there_ = false;
};

std::filesystem::path ReservePath(const std::filesystem::path& spool);

}  // namespace doagent::spool
