// Damaged files are kept: renamed aside to FILE.damaged-TIME, with -wal and -shm, until what is
// intact in them has been taken over and their space is needed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "spool/descriptor.h"
#include "spool/result.h"
#include "spool/time.h"

namespace doagent::spool {

// A time as it stands in the names, in UTC, to the nanosecond: a name that was used once, and is
// marked as taken over, must not come again when the clock begins anew with every boot. Later ones
// are greater.
std::string NameOfTime(WallTime time);
std::string TimeInName(const std::filesystem::path& aside);

// Renames database, log and shared memory aside, in this order; what is not there is left out. The
// name that the database has then; empty: there was not a byte to be kept. REQUIRES that nothing
// has them open through SQLite.
Result<std::filesystem::path> SetAside(const std::filesystem::path& spool, WallTime now);

// Copies the log alone aside, for the spool goes on with what SQLite makes of it: to a name of
// which IsLogAside is true. Durable on return. A copy that is there already is as good.
Result<std::filesystem::path> CopyLogAside(const std::filesystem::path& spool, WallTime now);

// The name of such a set that has the content of files which have none any more. `number`: of this
// process' removed files.
std::filesystem::path NameOfRemoved(const std::filesystem::path& spool, int number,
                                    WallTime noticed);
// Copies it there. Either may be missing. Durable on return.
Result<void> CopyAside(const Descriptor& database, const Descriptor& log,
                       const std::filesystem::path& aside);

// If a crash came between the renames: the rest follows. To be called before the spool is opened.
Result<void> FinishSetAside(const std::filesystem::path& spool, WallTime now);

// The names of the databases that were set aside, oldest first, whether or not their file is there.
std::vector<std::filesystem::path> FilesSetAside(const std::filesystem::path& spool);

bool IsLogAside(const std::filesystem::path& aside);

// Of one of these files, with its log; of all of them.
std::uint64_t BytesOfSet(const std::filesystem::path& aside);
std::uint64_t BytesSetAside(const std::filesystem::path& spool);

// Removes the log and its shared memory that a database left behind.
void RemoveLog(const std::filesystem::path& spool);

// Removes a set for good. False: something of it stays.
bool RemoveSetAside(const std::filesystem::path& aside);

}  // namespace doagent::spool
