// How names, labels and values of series are written for people and other systems.
//
// A spool may hold what other machines sent, so nothing here trusts its input: a name cannot break
// out of its place, a label value cannot carry control characters to a terminal, and what claims to
// be UTF-8 is made UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "spool/model.h"

namespace doagent::cli {

// The shortest decimal that reads back as the same double; "NaN", "+Inf" or "-Inf".
void AppendDouble(double value, std::string& out);

void AppendUnsigned(std::uint64_t value, std::string& out);

// A sample's value: every digit of an integer-valued series, also beyond 2^53; else AppendDouble.
void AppendValue(const spool::Representation& representation, std::uint64_t bits, std::string& out);

// The same as a JSON value: NaN and infinities are strings.
void AppendJsonValue(const spool::Representation& representation, std::uint64_t bits,
                     std::string& out);

// A metric's or label's name with whatever the exposition formats do not allow made '_'.
void AppendMetricName(std::string_view name, std::string& out);
void AppendLabelName(std::string_view name, std::string& out);

// What stands between the quotes of a label value: backslash, quote and line feed escaped.
void AppendLabelValue(std::string_view value, std::string& out);

// `cpu="0",mode="idle"`: exposition syntax, without braces.
void AppendLabels(const std::vector<spool::Label>& labels, std::string& out);

// `name` or `name{label="value"}`.
void AppendSeries(const spool::Schema& schema, std::size_t series, std::string& out);

// The text with bytes that are not UTF-8 replaced by U+FFFD.
void AppendUtf8(std::string_view text, std::string& out);

// The same for a terminal: control characters become `\x1b` and the like, so one line stays one.
void AppendPrintable(std::string_view text, std::string& out);

// A JSON string with its quotes.
void AppendJsonString(std::string_view text, std::string& out);

}  // namespace doagent::cli
