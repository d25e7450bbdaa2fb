// A TCP proxy on loopback that can fail as networks do.
#pragma once

#include <atomic>
#include <cstdint>
#include <list>
#include <thread>

namespace doagent::test {

class TcpProxy {
 public:
  // Listens on a free port of 127.0.0.1 and forwards to another.
  explicit TcpProxy(std::uint16_t to_port);
  ~TcpProxy();

  TcpProxy(const TcpProxy&) = delete;
  TcpProxy& operator=(const TcpProxy&) = delete;

  std::uint16_t port() const { return port_; }

  // A stalled proxy accepts, but passes nothing on in either direction: a half-open connection.
  void Stall(bool stalled) { stalled_ = stalled; }
  // Cuts every connection that there is.
  void Cut();

  std::size_t connections() const { return connections_; }  // accepted so far

 private:
  struct Pair {
    int client = -1;
    int server = -1;
  };

  void Run();
  // Copies what there is to read; false: the connection has ended.
  static bool Copy(int from, int to);

  const std::uint16_t to_port_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::atomic<bool> stopping_ = false;
  std::atomic<bool> stalled_ = false;
  std::atomic<bool> cut_ = false;
  std::atomic<std::size_t> connections_ = 0;
  std::list<Pair> pairs_;  // of the thread
  std::thread thread_;
};

}  // namespace doagent::test
