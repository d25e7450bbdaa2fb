#include "tools/do-agent-spool/source.h"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <utility>
#include <vector>

namespace doagent::spool_tool {
namespace {

constexpr std::size_t kBeginningDigitsMin = 4;
// Choices that an error lists.
constexpr std::size_t kChoicesMax = 20;

std::string Join(const std::set<std::string>& choices) {
  if (choices.empty()) return "nothing yet";
  std::string text;
  std::size_t shown = 0;
  for (const std::string& choice : choices) {
    if (shown == kChoicesMax) {
      return text + " and " + std::to_string(choices.size() - shown) + " more";
    }
    if (shown++ > 0) text += ", ";
    text += choice;
  }
  return text;
}

bool IsHexDigit(unsigned char c) {
  return std::isxdigit(c) != 0;
}

// A UUID's hyphens are skipped, as in SpoolId::FromHex.
std::string Normalize(std::string_view digits) {
  std::string text;
  for (const char c : digits) {
    if (c != '-') text += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return text;
}

}  // namespace

Source::FileId Source::Identify(const std::filesystem::path& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return {};
  return {info.st_dev, info.st_ino};
}

Result<void> Source::OpenReader() {
  const FileId file = Identify(path_);
  DOAGENT_ASSIGN(auto reader, spool::Reader::Open(path_));
  DOAGENT_ASSIGN(auto origins, reader->Origins());
  reader_ = std::move(reader);
  file_ = file;
  for (auto& origin : origins) hosts_[origin.spool_id] = std::move(origin.host);
  return {};
}

Result<std::unique_ptr<Source>> Source::Open(const std::filesystem::path& path) {
  std::unique_ptr<Source> source(new Source(path));
  DOAGENT_TRY(source->OpenReader());
  return source;
}

Result<SpoolId> Source::FindOrigin(std::string_view beginning) const {
  const std::string digits = Normalize(beginning);
  const std::string where = "--origin " + std::string(beginning);
  if (digits.size() < kBeginningDigitsMin ||
      !std::all_of(digits.begin(), digits.end(), IsHexDigit)) {
    return Fail(ErrorCode::kRefuse, where,
                "not the beginning of an origin's id; give at least " +
                    std::to_string(kBeginningDigitsMin) + " of its hexadecimal digits");
  }
  std::vector<SpoolId> found;
  std::set<std::string> matching;
  std::set<std::string> all;
  for (const auto& [origin, host] : hosts_) {
    const std::string choice =
        origin.Hex() + (host.hostname.empty() ? "" : " (" + host.hostname + ")");
    all.insert(choice);
    if (origin.Hex().compare(0, digits.size(), digits) != 0) continue;
    matching.insert(choice);
    found.push_back(origin);
  }
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    return Fail(ErrorCode::kRefuse, where,
                "no origin's id begins so; " + path_.string() + " holds " + Join(all));
  }
  return Fail(ErrorCode::kRefuse, where, "several ids begin so: " + Join(matching));
}

Result<void> Source::RequireHost(std::string_view hostname) const {
  std::set<std::string> all;
  for (const auto& [origin, host] : hosts_) {
    if (host.hostname == hostname) return {};
    if (!host.hostname.empty()) all.insert(host.hostname);
  }
  return Fail(ErrorCode::kRefuse, "--host " + std::string(hostname),
              "no records of such a host; " + path_.string() + " has those of " + Join(all));
}

std::string_view Source::HostOf(const SpoolId& origin) {
  const auto [known, is_new] = hosts_.try_emplace(origin);
  if (!is_new) return known->second.hostname;
  // New since the spool was opened. The reader is in the middle of a visit, so another one asks. An
  // error here is no reason to stop: it would show in the visit too.
  const auto reader = spool::Reader::Open(path_);
  if (!reader) return {};
  auto origins = (*reader)->Origins();
  if (!origins) return {};
  for (auto& one : *origins) hosts_[one.spool_id] = std::move(one.host);
  return hosts_[origin].hostname;
}

std::string Source::InstanceOf(const SpoolId& origin) {
  const std::string hostname(HostOf(origin));
  if (hostname.empty()) return origin.Hex();
  const std::string& identity = hosts_[origin].identity();
  const bool shared = std::any_of(hosts_.begin(), hosts_.end(), [&](const auto& entry) {
    return entry.second.hostname == hostname && entry.second.identity() != identity;
  });
  return shared ? hostname + "/" + (identity.empty() ? origin.Hex() : identity) : hostname;
}

bool Source::Replaced() const {
  const FileId now = Identify(path_);
  return now != file_ && now != FileId();
}

}  // namespace doagent::spool_tool
