#include "tools/cli/scanner.h"

#include "tools/cli/sample_format.h"

namespace doagent::cli {
namespace {

// Of the offending text in a message: enough to recognise it.
constexpr std::size_t kExcerptBytesMax = 120;

bool IsNameByte(char c, Scanner::NameKind kind, bool first) {
  if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_') return true;
  if (c == ':') return kind == Scanner::NameKind::kMetric;
  return c >= '0' && c <= '9' && !first;
}

}  // namespace

bool Scanner::Take(std::string_view token) {
  if (text_.substr(position_, token.size()) != token) return false;
  position_ += token.size();
  return true;
}

std::string_view Scanner::TakeName(NameKind kind) {
  const std::size_t start = position_;
  while (!AtEnd() && IsNameByte(text_[position_], kind, position_ == start)) ++position_;
  return text_.substr(start, position_ - start);
}

void Scanner::SkipSpace() {
  while (!AtEnd() && std::string_view(" \t\r\n").find(text_[position_]) != std::string_view::npos) {
    ++position_;
  }
}

tl::unexpected<Error> Scanner::FailAt(std::size_t position, std::string_view what) const {
  std::string where(subject_);
  where += " '";
  AppendPrintable(text_.substr(0, kExcerptBytesMax), where);
  where += text_.size() > kExcerptBytesMax ? "…'" : "'";
  std::string message = "character " + std::to_string(position + 1) + ": ";
  message += what;
  return Fail(ErrorCode::kRefuse, std::move(where), std::move(message));
}

tl::unexpected<Error> Scanner::Expected(std::string_view what) const {
  std::string message = "expected ";
  message += what;
  if (AtEnd()) {
    message += ", found the end";
  } else {
    message += ", found '";
    AppendPrintable(text_.substr(position_, 1), message);
    message += '\'';
  }
  return FailAt(position_, message);
}

}  // namespace doagent::cli
