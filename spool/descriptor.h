// An open file by its descriptor, closed with its owner.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "spool/result.h"

struct stat;

namespace doagent::spool {

class Descriptor {
 public:
  explicit Descriptor(int number = -1) : number_(number) {}
  Descriptor(Descriptor&& other) noexcept;
  Descriptor& operator=(Descriptor&& other) noexcept;
  ~Descriptor();

  // Nothing: there is no such file.
  static Result<std::optional<Descriptor>> OpenForReading(const std::filesystem::path& path);

  int number() const { return number_; }
  bool valid() const { return number_ >= 0; }
  // Whether the path leads to this very file.
  bool IsAt(const std::filesystem::path& path) const;
  // Whether the path leads nowhere, or to another file. What cannot be found out counts as no.
  bool IsGoneFrom(const std::filesystem::path& path) const;

 private:
  bool Is(const struct stat& named) const;

  int number_;
};

}  // namespace doagent::spool
