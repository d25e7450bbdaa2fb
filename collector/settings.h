// The settings of one collector, with the defaults of what was not set.
#pragma once

#include <map>
#include <string>

#include "collector/name_filter.h"
#include "collector/options.h"
#include "spool/result.h"

namespace doagent::collector {

class Settings {
 public:
  // Refuses options that the collector has not.
  static Result<Settings> Resolve(const CollectorInfo& info,
                                  const std::map<std::string, std::string>& given);

  // REQUIRES an option of the collector.
  const std::string& Get(const std::string& option) const;
  bool IsGiven(const std::string& option) const { return given_.count(option) != 0; }
  // "collector.NAME.OPTION", as errors name it.
  std::string FullName(const std::string& option) const;

  // The option as true or false.
  Result<bool> GetBool(const std::string& option) const;
  Result<NamePattern> GetPattern(const std::string& option) const;
  // From the options device-include and device-exclude. An include that was given replaces the
  // default of the exclude; giving both is refused.
  Result<NameFilter> GetDeviceFilter() const;

 private:
  std::string collector_;
  std::map<std::string, std::string> defaults_;
  std::map<std::string, std::string> given_;
};

}  // namespace doagent::collector
