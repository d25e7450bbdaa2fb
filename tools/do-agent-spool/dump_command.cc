#include "tools/do-agent-spool/dump_command.h"

#include <memory>
#include <string_view>
#include <utility>

#include "tools/cli/openmetrics.h"
#include "tools/cli/output.h"
#include "tools/cli/record_writer.h"
#include "tools/do-agent-spool/output_file.h"
#include "tools/do-agent-spool/source.h"

namespace doagent::spool_tool {
namespace {

constexpr std::chrono::milliseconds kPollInterval{200};
// Of damaged records: so many are named, the others counted.
constexpr std::uint64_t kDamageShown = 20;
// While following, the signals are looked at every so many records.
constexpr std::uint64_t kRecordsPerSignalCheck = 1024;

Result<spool::RecordFilter> MakeFilter(const DumpOptions& options, const Source& source) {
  spool::RecordFilter filter;
  if (!options.origin.empty()) {
    DOAGENT_ASSIGN(filter.origin, source.FindOrigin(options.origin));
  }
  // A host that is followed may be yet to come.
  if (options.host && !options.follow) DOAGENT_TRY(source.RequireHost(*options.host));
  filter.host = options.host;
  filter.from = options.from;
  filter.to = options.to;
  filter.state = options.state;
  return filter;
}

class Dumper {
 public:
  Dumper(const DumpOptions& options, const Environment& environment, Source& source,
         spool::RecordFilter filter, cli::Output& output)
      : options_(options),
        environment_(environment),
        source_(source),
        filter_(std::move(filter)),
        output_(output) {}

  Result<void> Run() {
    return options_.format == DumpFormat::kOpenMetrics ? DumpOpenMetrics() : DumpRecords();
  }

  // Records that Run had to leave out.
  std::uint64_t damaged() const { return damaged_; }

 private:
  void NoteDamage(const Error& error) {
    if (++damaged_ <= kDamageShown) Report(environment_, ExitStatus::kNo, error);
  }

  std::unique_ptr<cli::RecordWriter> MakeWriter() const {
    switch (options_.format) {
      case DumpFormat::kJson: return cli::MakeJsonWriter(options_.selectors);
      case DumpFormat::kCsv: return cli::MakeCsvWriter(options_.selectors);
      default: return cli::MakeTextWriter(options_.selectors);
    }
  }

  // To the heads, and with --follow on from there.
  Result<void> DumpRecords() {
    const std::unique_ptr<cli::RecordWriter> writer = MakeWriter();
    writer->Begin(output_.text());
    while (true) {
      // The agent sets a damaged spool aside and begins another. Asked before reading, so that the
      // old one is read to its end first.
      const bool replaced = options_.follow && source_.Replaced();
      DOAGENT_ASSIGN(const bool go_on, DumpNewRecords(*writer));
      if (!go_on || !options_.follow) return {};
      if (replaced && source_.Reopen()) {
        Report(environment_, ExitStatus::kDone, Replaced());
      } else if (environment_.stop_asked(kPollInterval)) {
        return {};
      }
    }
  }

  Error Replaced() const {
    return {ErrorCode::kRetry, options_.spool.string(),
            "another spool has taken its place; going on with that one"};
  }

  // False: finished, since nobody reads any more, or a signal came.
  Result<bool> DumpNewRecords(cli::RecordWriter& writer) {
    bool go_on = true;
    std::uint64_t records = 0;
    Result<void> written;
    DOAGENT_TRY(source_.reader().Visit(
        filter_,
        [&](const spool::Record& record) {
          writer.Append(record, source_.HostOf(record.spool_id), output_.text());
          const auto open = output_.Relieve();
          if (!open) written = Fail(open.error());
          go_on = open.has_value() && *open;
          if (go_on && options_.follow && ++records % kRecordsPerSignalCheck == 0) {
            go_on = !environment_.stop_asked(std::chrono::milliseconds(0));
          }
          return go_on;
        },
        [this](const Error& error) { NoteDamage(error); }));
    DOAGENT_TRY(std::move(written));
    DOAGENT_ASSIGN(const bool open, output_.Flush());
    return go_on && open;
  }

  Result<void> DumpOpenMetrics() {
    cli::OpenMetricsOptions options;
    options.selectors = options_.selectors;
    options.instance = [this](const SpoolId& origin) { return source_.InstanceOf(origin); };
    bool first_pass = true;
    const auto visit = [&](const std::function<bool(const spool::Record&)>& visit_record) {
      source_.reader().Rewind();
      auto visited = source_.reader().Visit(filter_, visit_record, [&](const Error& error) {
        if (first_pass) NoteDamage(error);
      });
      first_pass = false;
      return visited;
    };
    DOAGENT_ASSIGN(const cli::OpenMetricsSummary summary,
                   cli::WriteOpenMetrics(visit, options, output_));
    if (summary.left_out > 0) {
      Report(environment_, ExitStatus::kDone,
             {ErrorCode::kRetry, options_.spool.string(),
              std::to_string(summary.left_out) +
                  " samples were left out: their series has a later one at the same millisecond"});
    }
    return {};
  }

  const DumpOptions& options_;
  const Environment& environment_;
  Source& source_;
  const spool::RecordFilter filter_;
  cli::Output& output_;
  std::uint64_t damaged_ = 0;
};

Error LeftOut(const DumpOptions& options, std::uint64_t damaged) {
  return {ErrorCode::kSalvage, options.spool.string(),
          std::to_string(damaged) +
              (damaged == 1 ? " damaged record was" : " damaged records were") +
              " left out; all others are in the output"};
}

// Dumps into what the environment or the file says. The file is closed by the caller.
ExitStatus DumpTo(int descriptor, const std::string& name, const DumpOptions& options,
                  const Environment& environment, Source& source, spool::RecordFilter filter) {
  cli::Output output(descriptor, name);
  Dumper dumper(options, environment, source, std::move(filter), output);
  if (const auto done = dumper.Run(); !done) {
    return Report(environment, ExitStatus::kWorld, done.error());
  }
  if (dumper.damaged() == 0) return ExitStatus::kDone;
  return Report(environment, ExitStatus::kNo, LeftOut(options, dumper.damaged()));
}

}  // namespace

ExitStatus Dump(const DumpOptions& options, const Environment& environment) {
  auto source = Source::Open(options.spool);
  if (!source) return Report(environment, ExitStatus::kWorld, source.error());
  auto filter = MakeFilter(options, **source);
  if (!filter) return Report(environment, ExitStatus::kUsage, filter.error());
  if (options.output.empty()) {
    return DumpTo(environment.out, "standard output", options, environment, **source,
                  *std::move(filter));
  }
  const std::string name = options.output.string();
  if (IsPartOfSpool(options.output, options.spool)) {
    return Report(environment, ExitStatus::kUsage,
                  {ErrorCode::kRefuse, "--output " + name,
                   "is the spool itself, or belongs to it; name another file"});
  }
  auto file = OutputFile::Create(options.output);
  if (!file) return Report(environment, ExitStatus::kWorld, file.error());
  const ExitStatus status =
      DumpTo(file->descriptor(), name, options, environment, **source, *std::move(filter));
  if (const auto closed = file->Close(options.output); !closed) {
    return Report(environment, ExitStatus::kWorld, closed.error());
  }
  return status;
}

}  // namespace doagent::spool_tool
