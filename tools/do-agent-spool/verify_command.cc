#include "tools/do-agent-spool/verify_command.h"

#include <string>
#include <system_error>
#include <utility>

#include "spool/verifier.h"
#include "tools/cli/output.h"
#include "tools/cli/sample_format.h"
#include "tools/do-agent-spool/progress_line.h"
#include "tools/do-agent-spool/verify_view.h"

namespace doagent::spool_tool {
namespace {

// Prints what a verification tells, as it comes: it may take long.
class Printer {
 public:
  Printer(const VerifyOptions& options, const Environment& environment)
      : options_(options), output_(environment.out, "standard output"), progress_(environment) {}

  void Print(const std::string& text) {
    progress_.Clear();
    if (!options_.json && !std::exchange(begun_, true)) {
      cli::AppendPrintable(options_.spool.string(), output_.text());
      output_.text() += '\n';
    }
    output_.text() += text;
    // A reader that goes away is no error: the exit status still tells.
    if (auto open = output_.Flush(); !open && written_) written_ = Fail(std::move(open).error());
  }

  void ShowProgress(std::string_view step, std::uint64_t bytes) {
    if (!progress_.Due()) return;
    std::error_code none;
    const auto size = std::filesystem::file_size(options_.spool, none);
    progress_.Show("verifying " + std::string(step) + ", " + std::to_string(bytes >> 20) +
                   " MiB checked of a file of " + std::to_string(none ? 0 : size >> 20) + " MiB");
  }

  // REQUIRES that nothing else will be printed. The error is standard output's.
  const Result<void>& Finish() {
    progress_.Clear();
    return written_;
  }

 private:
  const VerifyOptions& options_;
  cli::Output output_;
  ProgressLine progress_;
  Result<void> written_;
  bool begun_ = false;
};

}  // namespace

ExitStatus Verify(const VerifyOptions& options, const Environment& environment) {
  Printer printer(options, environment);
  const bool json = options.json;
  const auto summary = spool::VerifySpool(
      options.spool,
      {[&](const spool::Finding& finding) {
         printer.Print(json ? FindingJson(finding) : FindingText(finding));
       },
       [&](const spool::OriginSummary& origin) {
         printer.Print(json ? OriginJson(origin) : OriginText(origin));
       },
       [&](std::string_view step, std::uint64_t bytes) { printer.ShowProgress(step, bytes); }});
  if (summary) {
    printer.Print(json ? SummaryJson(*summary) : SummaryText(*summary, options.spool.string()));
  }
  const Result<void>& written = printer.Finish();
  if (!summary) return Report(environment, ExitStatus::kWorld, summary.error());
  if (!written) return Report(environment, ExitStatus::kWorld, written.error());
  return summary->findings == 0 ? ExitStatus::kDone : ExitStatus::kNo;
}

}  // namespace doagent::spool_tool
