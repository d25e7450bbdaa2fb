#include "spool/utf8.h"

#include <algorithm>

namespace doagent {
namespace {

struct Form {
  unsigned char lead_min, lead_max;
  std::size_t bytes;
  unsigned char second_min, second_max;
};

// Unicode 15, table 3-7, "Well-Formed UTF-8 Byte Sequences"; third and fourth bytes are 80..BF.
constexpr Form kForms[] = {
    {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf}, {0xe1, 0xec, 3, 0x80, 0xbf},
    {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf}, {0xf0, 0xf0, 4, 0x90, 0xbf},
    {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

bool Fits(const Form& form, std::string_view text) {
  if (text.size() < form.bytes) return false;
  const auto second = static_cast<unsigned char>(text[1]);
  if (second < form.second_min || second > form.second_max) return false;
  for (std::size_t i = 2; i < form.bytes; ++i) {
    if ((static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) return false;
  }
  return true;
}

}  // namespace

std::size_t Utf8CharacterBytes(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return 1;
  for (const Form& form : kForms) {
    if (lead >= form.lead_min && lead <= form.lead_max) return Fits(form, text) ? form.bytes : 0;
  }
  return 0;
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t bytes = Utf8CharacterBytes(text);
    if (bytes == 0) return false;
    text.remove_prefix(bytes);
  }
  return true;
}

std::string ValidUtf8(std::string_view text, std::size_t bytes_max) {
  std::string valid;
  valid.reserve(std::min(text.size(), bytes_max));
  bool in_invalid_run = false;
  bool full = false;
  ForEachCharacter(text, [&](std::string_view character, bool well_formed) {
    if (well_formed || !in_invalid_run) {
      const std::string_view shown = well_formed ? character : kReplacementCharacter;
      full = full || valid.size() + shown.size() > bytes_max;
      if (!full) valid += shown;
    }
    in_invalid_run = !well_formed;
  });
  return valid;
}

}  // namespace doagent
