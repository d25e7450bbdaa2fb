// A position in a short text from a person, and errors that point at it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "spool/result.h"

namespace doagent::cli {

class Scanner {
 public:
  enum class NameKind { kMetric, kLabel };

  // `text` must outlive the scanner; `subject` is what errors call the text: "selector".
  Scanner(std::string_view subject, std::string_view text) : subject_(subject), text_(text) {}

  bool AtEnd() const { return position_ == text_.size(); }
  std::size_t position() const { return position_; }

  bool Peek(char c) const { return !AtEnd() && text_[position_] == c; }
  // The next byte, which is passed over. REQUIRES !AtEnd().
  char TakeByte() { return text_[position_++]; }
  // Passes over the token if it comes next.
  bool Take(std::string_view token);
  // Passes over a name as the exposition formats define it; empty: none comes next.
  std::string_view TakeName(NameKind kind);
  void SkipSpace();

  // "selector '…', character 7: WHAT", counted from 1.
  tl::unexpected<Error> FailAt(std::size_t position, std::string_view what) const;
  // The same at the current position: "expected WHAT, found '…'".
  tl::unexpected<Error> Expected(std::string_view what) const;

 private:
  std::string_view subject_;
  std::string_view text_;
  std::size_t position_ = 0;
};

}  // namespace doagent::cli
