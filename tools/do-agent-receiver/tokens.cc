#include "tools/do-agent-receiver/tokens.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <map>
#include <utility>

#include "spool/check.h"
#include "uploader/credential_files.h"

namespace doagent::receiver {

namespace {

tl::unexpected<Error> BadLine(const std::string& file, std::size_t line, std::string what) {
  return Fail(ErrorCode::kRefuse, file + " line " + std::to_string(line), std::move(what));
}

std::vector<std::string_view> Words(std::string_view line) {
  std::vector<std::string_view> words;
  constexpr std::string_view kSpace = " \t\r";
  std::size_t begin = line.find_first_not_of(kSpace);
  while (begin != std::string_view::npos) {
    const std::size_t end = std::min(line.find_first_of(kSpace, begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    begin = line.find_first_not_of(kSpace, end);
  }
  return words;
}

}  // namespace

TokenTable::Digest TokenTable::DigestOf(std::string_view token) {
  Digest digest{};
  DOAGENT_CHECK(
      EVP_Digest(token.data(), token.size(), digest.data(), nullptr, EVP_sha256(), nullptr) == 1);
  return digest;
}

Result<TokenTable> TokenTable::Parse(const std::string& file, std::string_view text) {
  TokenTable table;
  std::map<Digest, std::size_t> first_line;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const auto words = Words(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (words.empty() || words[0].front() == '#') continue;
    if (words.size() < 2 || words.size() > 3 || (words.size() == 3 && words[2] != "relay")) {
      return BadLine(file, number, "write `principal token` or `principal token relay`");
    }
    if (words[0].size() > kPrincipalBytesMax || !uploader::IsToken(words[0])) {
      return BadLine(file, number,
                     "the principal must be at most " + std::to_string(kPrincipalBytesMax) +
                         " visible ASCII characters");
    }
    if (!uploader::IsToken(words[1])) {
      return BadLine(file, number,
                     "the token must be at most " + std::to_string(uploader::kTokenBytesMax) +
                         " visible ASCII characters");
    }
    const Digest digest = DigestOf(words[1]);
    if (const auto [known, added] = first_line.emplace(digest, number); !added) {
      return BadLine(file, number,
                     "the token stands in line " + std::to_string(known->second) +
                         " already; give each principal its own");
    }
    table.entries_.push_back({digest, {std::string(words[0]), words.size() == 3}});
  }
  return table;
}

std::optional<spool::Principal> TokenTable::Find(std::string_view token) const {
  const Digest digest = DigestOf(token);
  const Entry* found = nullptr;
  for (const Entry& entry : entries_) {
    if (CRYPTO_memcmp(entry.digest.data(), digest.data(), digest.size()) == 0) found = &entry;
  }
  if (found == nullptr) return std::nullopt;
  return found->principal;
}

Result<std::unique_ptr<TokenFile>> TokenFile::Open(std::filesystem::path path, Report report) {
  std::unique_ptr<TokenFile> file(new TokenFile(std::move(path), std::move(report)));
  // Before it is read: a change in between shows as a change.
  file->signature_ = Signature(file->path_);
  DOAGENT_ASSIGN(const std::string text, uploader::ReadSmallFile(file->path_, kTokenFileBytesMax));
  DOAGENT_ASSIGN(file->table_, TokenTable::Parse(file->path_.string(), text));
  if (file->table_.size() == 0) {
    return Fail(ErrorCode::kRefuse, file->path_.string(),
                "has no token, so nobody could send; write a line `principal token` for each host");
  }
  return file;
}

std::optional<spool::Principal> TokenFile::Find(std::string_view token) {
  const std::lock_guard lock(mutex_);
  Refresh();
  return table_.Find(token);
}

void TokenFile::Refresh() {
  const auto signature = Signature(path_);
  if (signature == signature_) return;
  signature_ = signature;
  const auto text = uploader::ReadSmallFile(path_, kTokenFileBytesMax);
  if (!text) return report_(Fail(text.error()));
  auto table = TokenTable::Parse(path_.string(), *text);
  if (!table) return report_(Fail(table.error()));
  table_ = *std::move(table);
  report_(table_.size());
}

}  // namespace doagent::receiver
