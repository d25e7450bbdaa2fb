// gRPC as a guest in a process.
#pragma once

namespace doagent::uploader {

// For main functions. By itself gRPC writes a line to stderr for each failed handshake or lost
// connection, as often as anybody out there causes one; what matters of it comes back in statuses.
void SilenceGrpc();

// From here on gRPC stays until the process ends. When its last user goes, gRPC 1.51 takes
// everything down, and may wait 10 s for connections that end just then. Whoever makes a server or
// a transport calls this; again and again does no harm.
void KeepGrpc();

}  // namespace doagent::uploader
