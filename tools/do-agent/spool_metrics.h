// The spool's own state as series of the snapshots that it stores: do_agent_spool_*. Not
// thread-safe.
#pragma once

#include "collector/section_builder.h"
#include "spool/model.h"
#include "spool/spool.h"

namespace doagent::agent {

class SpoolMetrics {
 public:
  SpoolMetrics();

  // Adds a section to the snapshot, behind the collectors'.
  void Add(const spool::SpoolStats& stats, spool::Snapshot& snapshot);

 private:
  collector::SectionBuilder builder_{"do_agent_spool"};
  collector::SectionBuilder::FamilyId pending_;
  collector::SectionBuilder::FamilyId oldest_;
  collector::SectionBuilder::FamilyId waiting_;
  collector::SectionBuilder::FamilyId parked_;
  collector::SectionBuilder::FamilyId bytes_;
  collector::SectionBuilder::FamilyId bytes_max_;
  collector::SectionBuilder::FamilyId events_;
  collector::SectionBuilder::FamilyId event_records_;
  collector::SectionBuilder::FamilyId lost_;
};

}  // namespace doagent::agent
