// A spool with everything in it, as a crash leaves it, and what of it is on which bytes of its
// files: so that tests can damage it and know what must survive.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "spool/ids.h"
#include "spool/reader.h"
#include "spool/wreck.h"

namespace doagent::test {

using RecordName = std::pair<SpoolId, Sequence>;

// Of a file set: the database's bytes first, then the log's.
struct ByteRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

class SampleSpool {
 public:
  SampleSpool();

  const std::string& database() const { return database_; }
  const std::string& log() const { return log_; }
  const std::map<RecordName, spool::Record>& records() const { return records_; }
  const SpoolId& spool_id() const { return spool_id_; }

  // Writes the files into the folder, as `spool.db` and `spool.db-wal`, with these bytes.
  static void Write(const std::filesystem::path& folder, const std::string& database,
                    const std::string& log);

  // The records that stand, with every object that they need, on bytes that none of these ranges
  // touches.
  std::vector<RecordName> Untouched(const std::vector<ByteRange>& touched) const;

 private:
  // Where something stands: all pages of one copy of it.
  using Copy = std::vector<ByteRange>;
  struct Place {
    std::vector<Copy> copies;
    std::vector<ObjectId> needs;
  };

  void Locate(const std::filesystem::path& database);

  std::string database_;
  std::string log_;
  SpoolId spool_id_;
  std::map<RecordName, spool::Record> records_;
  std::map<Sequence, Place> places_;  // of records; all are of one origin
  std::map<ObjectId, Place> objects_;
};

// All records in the file, by name. A record that cannot be read is a failure.
std::map<RecordName, spool::Record> ReadEverything(const std::filesystem::path& path);

bool SameContent(const spool::Record& a, const spool::Record& b);

}  // namespace doagent::test
