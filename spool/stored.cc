#include "spool/stored.h"

#include "spool/bits.h"

namespace doagent::spool {

RangeSet SequencesOf(const std::vector<StoredRecord>& records) {
  RangeSet sequences;
  for (const auto& record : records) sequences.Add({record.sequence, record.sequence});
  return sequences;
}

RangeSet SequencesOf(const StoredBlock& block) {
  RangeSet sequences;
  sequences.Add(block.range);
  for (std::size_t i = 0; i < block.holes.size() * 8; ++i) {
    const Sequence sequence = block.range.first + i;
    if (TestBit(block.holes, i)) sequences.Remove({sequence, sequence});
  }
  return sequences;
}

}  // namespace doagent::spool
