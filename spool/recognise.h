// Whether a file may be opened as a spool, is what is left of one, or somebody else's.
#pragma once

#include <filesystem>

#include "spool/result.h"

namespace doagent::spool {

enum class Recognised {
  kNothing,   // no file, or one without a byte
  kDatabase,  // an SQLite database; whose, it will say when it is opened
  kWreck,     // no database any more, but nobody else's file either
};

// kRefuse: it is no spool and never was one; it is to be left alone. Of a file that does not begin
// like a database, up to 200 MiB are read, and all of it where it is nothing but zeros.
// REQUIRES that this process has not opened it through SQLite.
Result<Recognised> Recognise(const std::filesystem::path& path);

// Of a database that SQLite cannot open, or calls another program's: whether it was a spool.
bool WasSpool(const std::filesystem::path& path);

}  // namespace doagent::spool
