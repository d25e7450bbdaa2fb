#include "collector/section_builder.h"

#include <algorithm>
#include <cstring>
#include <functional>
#include <memory>
#include <utility>

#include "spool/check.h"

namespace doagent::collector {
namespace {

// How a label value stands in memory: its size, and then its bytes.
using ValueSize = std::uint32_t;

void PutValue(std::string& out, std::string_view value) {
  const auto size = static_cast<ValueSize>(value.size());
  out.append(reinterpret_cast<const char*>(&size), sizeof size);
  out.append(value);
}

// Cuts the first value off the front of `rest`. REQUIRES that there is one.
std::string_view TakeValue(std::string_view& rest) {
  ValueSize size = 0;
  std::memcpy(&size, rest.data(), sizeof size);
  const std::string_view value = rest.substr(sizeof size, size);
  rest.remove_prefix(sizeof size + size);
  return value;
}

std::size_t Mix(std::size_t hash, std::string_view value) {
  return (hash ^ std::hash<std::string_view>()(value)) * std::size_t{0x9e3779b97f4a7c15};
}

}  // namespace

SectionBuilder::FamilyId SectionBuilder::Declare(const FamilySpec& spec) {
  const auto id = static_cast<FamilyId>(declared_.size());
  const auto [known, is_new] = declared_by_name_.emplace(spec.name, id);
  if (!is_new) return known->second;
  DeclaredFamily declared;
  declared.family = {.name = std::string(spec.name),
                     .help = std::string(spec.help),
                     .type = spec.type,
                     .representation = spec.representation,
                     .unit = std::string(spec.unit)};
  for (std::size_t i = 0; i < spec.label_count(); ++i) declared.labels.emplace_back(spec.labels[i]);
  declared_.push_back(std::move(declared));
  return id;
}

void SectionBuilder::Begin(spool::Section& section) {
  section_ = &section;
  section.values.assign(series_.size(), 0);
  section.present.assign(series_.size(), 0);
  position_ = 0;
  differs_ = false;
  present_ = 0;
  overflowed_ = false;
}

void SectionBuilder::Add(FamilyId family, std::initializer_list<std::string_view> values,
                         std::uint64_t bits) {
  DOAGENT_CHECK(section_ != nullptr);
  std::uint32_t index = kNone;
  if (!differs_ && position_ < order_.size() && IsSeries(order_[position_], family, values)) {
    index = order_[position_++];
  } else {
    if (!differs_) {
      new_order_.assign(order_.begin(), order_.begin() + static_cast<std::ptrdiff_t>(position_));
      differs_ = true;
    }
    index = Locate(family, values);
    if (index == kNone) {
      overflowed_ = true;
      return;
    }
    new_order_.push_back(index);
  }
  present_ += section_->present[index] == 0 ? 1U : 0U;
  section_->values[index] = bits;
  section_->present[index] = 1;
}

void SectionBuilder::Discard() {
  std::fill(section_->values.begin(), section_->values.end(), 0);
  std::fill(section_->present.begin(), section_->present.end(), std::uint8_t{0});
  present_ = 0;
  differs_ = false;
}

bool SectionBuilder::Finish() {
  DOAGENT_CHECK(section_ != nullptr);
  // A tick without samples says nothing of the order in which they will be back.
  if (differs_) order_.swap(new_order_);
  if (!differs_ && present_ > 0) order_.resize(position_);
  if (present_ < series_.size() || some_were_absent_) CountAbsent();
  if (schema_ == nullptr) MakeSchema();
  if (section_->schema != schema_) section_->schema = schema_;
  section_ = nullptr;
  return !series_.empty();
}

bool SectionBuilder::IsSeries(std::uint32_t index, FamilyId family,
                              std::initializer_list<std::string_view> values) const {
  const KnownSeries& known = series_[index];
  if (known.family != family) return false;
  std::string_view rest = ValuesOf(known);
  for (const auto value : values) {
    if (rest.empty() || TakeValue(rest) != value) return false;
  }
  return rest.empty();
}

std::string_view SectionBuilder::ValuesOf(const KnownSeries& known) const {
  return std::string_view(values_).substr(known.values_begin, known.values_size);
}

std::uint32_t SectionBuilder::Locate(FamilyId family,
                                     std::initializer_list<std::string_view> values) {
  DOAGENT_CHECK(family < declared_.size() && values.size() == declared_[family].labels.size());
  std::size_t hash = family;
  for (const auto value : values) hash = Mix(hash, value);
  const auto [first, last] = lookup_.equal_range(hash);
  for (auto candidate = first; candidate != last; ++candidate) {
    if (IsSeries(candidate->second, family, values)) return candidate->second;
  }
  if (series_.size() >= spool::kSeriesMax || values_.size() >= kValueBytesMax) return kNone;
  for (const auto value : values) {
    if (value.size() > spool::kLabelBytesMax) return kNone;
  }
  return Append(family, values, hash);
}

std::uint32_t SectionBuilder::Append(FamilyId family,
                                     std::initializer_list<std::string_view> values,
                                     std::size_t hash) {
  KnownSeries known;
  known.family = family;
  known.values_begin = static_cast<std::uint32_t>(values_.size());
  for (const auto value : values) PutValue(values_, value);
  known.values_size = static_cast<std::uint32_t>(values_.size()) - known.values_begin;
  const auto index = static_cast<std::uint32_t>(series_.size());
  series_.push_back(known);
  lookup_.emplace(hash, index);
  section_->values.push_back(0);
  section_->present.push_back(0);
  schema_.reset();
  return index;
}

std::vector<spool::Label> SectionBuilder::LabelsOf(const KnownSeries& known) const {
  std::vector<spool::Label> labels;
  std::string_view rest = ValuesOf(known);
  for (const auto& name : declared_[known.family].labels) {
    labels.push_back({name, std::string(TakeValue(rest))});
  }
  return labels;
}

void SectionBuilder::CountAbsent() {
  std::size_t gone = 0;
  some_were_absent_ = false;
  for (std::size_t i = 0; i < series_.size(); ++i) {
    auto& ticks = series_[i].absent_ticks;
    if (section_->present[i] != 0) {
      ticks = 0;
    } else if (ticks < kAbsentTicks) {
      ++ticks;
    }
    some_were_absent_ = some_were_absent_ || ticks > 0;
    gone += ticks == kAbsentTicks ? 1U : 0U;
  }
  if (gone > kAbsentSeriesMin && gone * 2 > series_.size()) Rebuild();
}

void SectionBuilder::Rebuild() {
  std::vector<std::uint32_t> moved(series_.size(), kNone);  // old index -> new index
  std::string values;
  std::size_t kept = 0;
  for (std::size_t i = 0; i < series_.size(); ++i) {
    if (series_[i].absent_ticks == kAbsentTicks) continue;
    moved[i] = static_cast<std::uint32_t>(kept);
    const std::string_view its_values = ValuesOf(series_[i]);
    series_[kept] = series_[i];
    series_[kept].values_begin = static_cast<std::uint32_t>(values.size());
    values += its_values;
    section_->values[kept] = section_->values[i];
    section_->present[kept] = section_->present[i];
    ++kept;
  }
  series_.resize(kept);
  values_ = std::move(values);
  section_->values.resize(kept);
  section_->present.resize(kept);

  std::erase_if(order_, [&](std::uint32_t index) { return moved[index] == kNone; });
  for (auto& index : order_) index = moved[index];
  lookup_.clear();
  for (std::size_t i = 0; i < kept; ++i) {
    std::size_t hash = series_[i].family;
    std::string_view rest = ValuesOf(series_[i]);
    while (!rest.empty()) hash = Mix(hash, TakeValue(rest));
    lookup_.emplace(hash, static_cast<std::uint32_t>(i));
  }
  for (auto& declared : declared_) declared.in_schema = -1;
  schema_.reset();
}

void SectionBuilder::MakeSchema() {
  std::vector<spool::Family> families;
  // Those that have a place keep it, so that a longer schema begins with the shorter one.
  std::size_t placed = 0;
  for (const auto& declared : declared_) placed += declared.in_schema >= 0 ? 1U : 0U;
  families.resize(placed);
  for (const auto& declared : declared_) {
    if (declared.in_schema >= 0)
      families[static_cast<std::size_t>(declared.in_schema)] = declared.family;
  }
  std::vector<spool::Series> series;
  series.reserve(series_.size());
  for (const auto& known : series_) {
    DeclaredFamily& declared = declared_[known.family];
    if (declared.in_schema < 0) {
      declared.in_schema = static_cast<std::int64_t>(families.size());
      families.push_back(declared.family);
    }
    series.push_back(
        {.family = static_cast<std::uint32_t>(declared.in_schema), .labels = LabelsOf(known)});
  }
  schema_ =
      std::make_shared<const spool::Schema>(collector_, std::move(families), std::move(series));
}

}  // namespace doagent::collector
