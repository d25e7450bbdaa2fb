#include "tests/bench/reference_encoders.h"

#include <zstd.h>

#include <algorithm>
#include <array>
#include <bit>

#include "spool/check.h"

namespace doagent::bench {
namespace {

constexpr int kZstdLevel = 3;
constexpr std::size_t kChunkSamples = 120;
// Delta of delta: a prefix of n ones and a zero (none behind the last), then so many bits.
constexpr std::array<int, 4> kTimeBits = {0, 14, 17, 20};

class BitWriter {
 public:
  void Put(std::uint64_t value, int bits) {
    for (int i = bits - 1; i >= 0; --i) {
      if (used_ == 0) bytes_.push_back('\0');
      bytes_.back() = static_cast<char>(bytes_.back() | (value >> i & 1) << (7 - used_));
      used_ = (used_ + 1) % 8;
    }
  }
  std::string Take() { return std::move(bytes_); }

 private:
  std::string bytes_;
  int used_ = 0;  // bits of the last byte
};

class BitReader {
 public:
  explicit BitReader(const std::string& bytes) : bytes_(bytes) {}

  std::uint64_t Get(int bits) {
    std::uint64_t value = 0;
    for (int i = 0; i < bits; ++i, ++at_) {
      const auto byte = static_cast<unsigned char>(bytes_[at_ / 8]);
      value = value << 1 | (byte >> (7 - at_ % 8) & 1);
    }
    return value;
  }

 private:
  const std::string& bytes_;
  std::size_t at_ = 0;
};

std::int64_t SignExtend(std::uint64_t value, int bits) {
  const std::uint64_t sign = std::uint64_t{1} << (bits - 1);
  return static_cast<std::int64_t>((value ^ sign) - sign);
}

void PutTime(std::int64_t delta_of_delta, BitWriter& out) {
  for (std::size_t bucket = 0; bucket < kTimeBits.size(); ++bucket) {
    const int bits = kTimeBits[bucket];
    const bool fits = bits == 0 ? delta_of_delta == 0
                                : SignExtend(static_cast<std::uint64_t>(delta_of_delta) &
                                                 ((std::uint64_t{1} << bits) - 1),
                                             bits) == delta_of_delta;
    if (!fits) continue;
    out.Put((std::uint64_t{1} << (bucket + 1)) - 2, static_cast<int>(bucket) + 1);
    out.Put(static_cast<std::uint64_t>(delta_of_delta), bits);
    return;
  }
  out.Put(15, 4);
  out.Put(static_cast<std::uint64_t>(delta_of_delta), 64);
}

std::int64_t GetTime(BitReader& in) {
  std::size_t bucket = 0;
  while (bucket < 4 && in.Get(1) == 1) ++bucket;
  if (bucket == 0) return 0;
  const int bits = bucket == 4 ? 64 : kTimeBits[bucket];
  return SignExtend(in.Get(bits), bits);
}

// The bits between the leading and the trailing zeros of the last XOR: they serve the next one as
// well where they hold all of it.
struct Window {
  int leading = 64;
  int trailing = 0;
};

void PutXor(std::uint64_t bits, Window& window, BitWriter& out) {
  if (bits == 0) {
    out.Put(0, 1);
    return;
  }
  const int leading = std::min(std::countl_zero(bits), 31);
  const int trailing = std::countr_zero(bits);
  if (window.leading <= leading && window.trailing <= trailing) {
    out.Put(2, 2);
  } else {
    window = {leading, trailing};
    out.Put(3, 2);
    out.Put(static_cast<std::uint64_t>(leading), 5);
    out.Put(static_cast<std::uint64_t>(64 - leading - trailing) & 63, 6);
  }
  out.Put(bits >> window.trailing, 64 - window.leading - window.trailing);
}

std::uint64_t GetXor(Window& window, BitReader& in) {
  if (in.Get(1) == 0) return 0;
  if (in.Get(1) == 1) {
    window.leading = static_cast<int>(in.Get(5));
    const auto meaningful = static_cast<int>(in.Get(6));
    window.trailing = 64 - window.leading - (meaningful == 0 ? 64 : meaningful);
  }
  return in.Get(64 - window.leading - window.trailing) << window.trailing;
}

std::string EncodeChunk(std::span<const std::int64_t> times, std::span<const double> values) {
  BitWriter out;
  Window window;
  std::int64_t delta = 0;
  out.Put(times.size(), 16);
  out.Put(static_cast<std::uint64_t>(times[0]), 64);
  out.Put(std::bit_cast<std::uint64_t>(values[0]), 64);
  for (std::size_t i = 1; i < times.size(); ++i) {
    const std::int64_t next = times[i] - times[i - 1];
    PutTime(next - delta, out);
    delta = next;
    PutXor(std::bit_cast<std::uint64_t>(values[i]) ^ std::bit_cast<std::uint64_t>(values[i - 1]),
           window, out);
  }
  return out.Take();
}

}  // namespace

std::vector<DoubleColumn> DoubleColumns(std::span<const spool::Snapshot> snapshots) {
  std::vector<DoubleColumn> columns;
  for (const auto& snapshot : snapshots) {
    std::size_t column = 0;
    for (const auto& section : snapshot.sections) {
      columns.resize(std::max(columns.size(), column + section.values.size()));
      for (std::size_t i = 0; i < section.values.size(); ++i, ++column) {
        if (section.present[i] == 0) continue;
        columns[column].unix_ms.push_back(UnixMilliseconds(snapshot.wall));
        columns[column].values.push_back(
            spool::ToDouble(section.schema->family_of(i).representation, section.values[i]));
      }
    }
  }
  return columns;
}

std::string EncodeDoublesZstd(const std::vector<DoubleColumn>& columns) {
  std::string plain;
  std::size_t longest = 0;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (columns[i].values.size() > columns[longest].values.size()) longest = i;
    plain.append(reinterpret_cast<const char*>(columns[i].values.data()),
                 columns[i].values.size() * sizeof(double));
  }
  plain.append(reinterpret_cast<const char*>(columns[longest].unix_ms.data()),
               columns[longest].unix_ms.size() * sizeof(std::int64_t));
  std::string frame(ZSTD_compressBound(plain.size()), '\0');
  frame.resize(ZSTD_compress(frame.data(), frame.size(), plain.data(), plain.size(), kZstdLevel));
  return frame;
}

std::size_t DecodeDoublesZstd(const std::string& frame) {
  std::vector<double> values(ZSTD_getFrameContentSize(frame.data(), frame.size()) / sizeof(double));
  ZSTD_decompress(values.data(), values.size() * sizeof(double), frame.data(), frame.size());
  return values.size();
}

std::vector<std::string> EncodeGorilla(const DoubleColumn& column) {
  std::vector<std::string> chunks;
  for (std::size_t begin = 0; begin < column.values.size(); begin += kChunkSamples) {
    const std::size_t count = std::min(kChunkSamples, column.values.size() - begin);
    chunks.push_back(EncodeChunk(std::span(column.unix_ms).subspan(begin, count),
                                 std::span(column.values).subspan(begin, count)));
  }
  return chunks;
}

DoubleColumn DecodeGorilla(const std::vector<std::string>& chunks) {
  DoubleColumn column;
  for (const std::string& chunk : chunks) {
    BitReader in(chunk);
    Window window;
    const auto count = static_cast<std::size_t>(in.Get(16));
    auto time = static_cast<std::int64_t>(in.Get(64));
    std::uint64_t bits = in.Get(64);
    std::int64_t delta = 0;
    column.unix_ms.push_back(time);
    column.values.push_back(std::bit_cast<double>(bits));
    for (std::size_t i = 1; i < count; ++i) {
      delta += GetTime(in);
      column.unix_ms.push_back(time += delta);
      column.values.push_back(std::bit_cast<double>(bits ^= GetXor(window, in)));
    }
  }
  return column;
}

}  // namespace doagent::bench
