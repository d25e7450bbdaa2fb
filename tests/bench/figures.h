// How the benchmarks measure and what they print. Nothing here is compared with a limit: machines
// differ, so every figure stands beside a reference from the same run.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace doagent::bench {

// "name value unit reference ratio", a line on stdout; "-" where there is no reference.
void PrintFigure(std::string_view name, double value, std::string_view unit,
                 std::optional<double> reference = std::nullopt);

// REQUIRES at least one value.
double Median(std::vector<double> values);

// User and system time so far.
double ProcessCpuSeconds();
double ThreadCpuSeconds();

// How long the call takes on the wall clock, in seconds.
double WallSeconds(const std::function<void()>& call);

// The options of a benchmark, "--name VALUE" in any order; an unknown one ends the program with
// exit status 2 and a line that names those that there are.
class Options {
 public:
  Options(int argc, char** argv, std::vector<std::string> names);
  std::string Get(std::string_view name, std::string_view otherwise) const;
  // A whole number of at least 1, or the program ends with exit status 2.
  int GetCount(std::string_view name, int otherwise) const;

 private:
  std::vector<std::pair<std::string, std::string>> values_;
};

}  // namespace doagent::bench
