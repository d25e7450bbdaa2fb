// Who may send, by bearer token: the --token-file, one `principal token [relay]` a line, '#' begins
// a comment. Only digests of the tokens are kept.
#pragma once

#include <array>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "spool/inbox.h"
#include "spool/result.h"
#include "tools/do-agent-receiver/file_signature.h"

namespace doagent::receiver {

inline constexpr std::size_t kPrincipalBytesMax = 255;
inline constexpr std::size_t kTokenFileBytesMax = 4 << 20;

class TokenTable {
 public:
  // kRefuse: a line is wrong; the error names it. A principal may have several tokens, so that one
  // can be replaced by another; a token has one principal.
  static Result<TokenTable> Parse(const std::string& file, std::string_view text);

  // Compares with every token there is, each in constant time: how long it takes says nothing about
  // them.
  std::optional<spool::Principal> Find(std::string_view token) const;

  std::size_t size() const { return entries_.size(); }

 private:
  using Digest = std::array<unsigned char, 32>;
  struct Entry {
    Digest digest{};
    spool::Principal principal;
  };
  static Digest DigestOf(std::string_view token);

  std::vector<Entry> entries_;
};

// The table as the file has it now. A file that becomes unusable leaves the last good table in
// force. Thread-safe.
class TokenFile {
 public:
  // Called once for every change of the file: with the new table's size, or why it is not used.
  using Report = std::function<void(const Result<std::size_t>&)>;

  static Result<std::unique_ptr<TokenFile>> Open(std::filesystem::path path, Report report);

  // Looks at the file first: one stat, and a new table if it changed.
  std::optional<spool::Principal> Find(std::string_view token);

 private:
  TokenFile(std::filesystem::path path, Report report)
      : path_(std::move(path)), report_(std::move(report)) {}
  void Refresh();

  const std::filesystem::path path_;
  const Report report_;
  std::mutex mutex_;
  std::optional<FileSignature> signature_;
  TokenTable table_;
};

}  // namespace doagent::receiver
