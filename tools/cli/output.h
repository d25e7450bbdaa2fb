// A buffered file descriptor for bulk output: text is appended to one reused string, which is
// written when it has grown large.
#pragma once

#include <string>

#include "spool/result.h"

namespace doagent::cli {

class Output {
 public:
  // The descriptor stays the caller's; `name` is what errors call it: "standard output".
  Output(int descriptor, std::string name) : descriptor_(descriptor), name_(std::move(name)) {}

  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  // What to append to. Call Relieve after every record or so.
  std::string& text() { return text_; }

  // Writes the text if there is much of it, or all of it. False: nobody reads any more (a closed
  // pipe, as with `| head`), which is no error; the text is dropped. Errors name the output.
  // REQUIRES SIGPIPE ignored.
  Result<bool> Relieve() { return text_.size() < kFlushBytes ? Result<bool>(!closed_) : Flush(); }
  Result<bool> Flush();

 private:
  static constexpr std::size_t kFlushBytes = 64 << 10;  // a Linux pipe's capacity

  int descriptor_;
  std::string name_;
  std::string text_;
  bool closed_ = false;
};

}  // namespace doagent::cli
