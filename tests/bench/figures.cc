#include "tests/bench/figures.h"

#include <time.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "spool/check.h"

namespace doagent::bench {
namespace {

double Seconds(clockid_t clock) {
  timespec time = {};
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

[[noreturn]] void EndWithUsage(const std::string& complaint) {
  std::fprintf(stderr, "bench: %s\n", complaint.c_str());
  std::exit(2);
}

}  // namespace

void PrintFigure(std::string_view name, double value, std::string_view unit,
                 std::optional<double> reference) {
  const auto length = static_cast<int>(name.size());
  const auto unit_length = static_cast<int>(unit.size());
  std::printf("%-*.*s %10.4g %-12.*s", 32, length, name.data(), value, unit_length, unit.data());
  if (reference) {
    std::printf(" %10.4g %6.2f\n", *reference, value / *reference);
  } else {
    std::printf(" %10s %6s\n", "-", "-");
  }
  std::fflush(stdout);
}

double Median(std::vector<double> values) {
  DOAGENT_CHECK(!values.empty());
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double ProcessCpuSeconds() {
  return Seconds(CLOCK_PROCESS_CPUTIME_ID);
}

double ThreadCpuSeconds() {
  return Seconds(CLOCK_THREAD_CPUTIME_ID);
}

double WallSeconds(const std::function<void()>& call) {
  const double before = Seconds(CLOCK_MONOTONIC);
  call();
  return Seconds(CLOCK_MONOTONIC) - before;
}

Options::Options(int argc, char** argv, std::vector<std::string> names) {
  for (int i = 1; i < argc; i += 2) {
    const std::string option = argv[i];
    if (std::find(names.begin(), names.end(), option) == names.end()) {
      std::string known;
      for (const std::string& name : names) known.append(" ").append(name);
      EndWithUsage("unknown option '" + option + "'; there are:" + known);
    }
    if (i + 1 == argc) EndWithUsage(option + " needs a value");
    values_.emplace_back(option, argv[i + 1]);
  }
}

std::string Options::Get(std::string_view name, std::string_view otherwise) const {
  for (const auto& [option, value] : values_) {
    if (option == name) return value;
  }
  return std::string(otherwise);
}

int Options::GetCount(std::string_view name, int otherwise) const {
  const std::string text = Get(name, "");
  if (text.empty()) return otherwise;
  int count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (error != std::errc() || end != text.data() + text.size() || count < 1) {
    EndWithUsage(std::string(name) + ": '" + text + "' is not a whole number of at least 1");
  }
  return count;
}

}  // namespace doagent::bench
