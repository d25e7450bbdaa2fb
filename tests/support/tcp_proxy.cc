#include "tests/support/tcp_proxy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <vector>

#include "spool/check.h"

namespace doagent::test {

namespace {

constexpr int kPollMs = 10;  // how soon a changed mode takes effect

sockaddr_in Loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(port);
  return address;
}

void Close(int fd) {
  if (fd >= 0) close(fd);
}

}  // namespace

TcpProxy::TcpProxy(std::uint16_t to_port) : to_port_(to_port) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  DOAGENT_CHECK(bind(listener_, generic, size) == 0 && listen(listener_, 16) == 0);
  DOAGENT_CHECK(getsockname(listener_, generic, &size) == 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Run(); });
}

TcpProxy::~TcpProxy() {
  stopping_ = true;
  thread_.join();
  Close(listener_);
}

void TcpProxy::Cut() {
  cut_ = true;
  while (cut_ && !stopping_) std::this_thread::yield();
}

void TcpProxy::Run() {
  while (!stopping_) {
    if (cut_) {
      for (const Pair& pair : pairs_) {
        Close(pair.client);
        Close(pair.server);
      }
      pairs_.clear();
      cut_ = false;
    }
    std::vector<pollfd> polled{{listener_, POLLIN, 0}};
    if (!stalled_) {
      for (const Pair& pair : pairs_) {
        polled.push_back({pair.client, POLLIN, 0});
        polled.push_back({pair.server, POLLIN, 0});
      }
    }
    if (poll(polled.data(), polled.size(), kPollMs) <= 0) continue;
    std::size_t at = 1;
    for (auto pair = pairs_.begin(); pair != pairs_.end() && at < polled.size(); at += 2) {
      const bool alive = (polled[at].revents == 0 || Copy(pair->client, pair->server)) &&
                         (polled[at + 1].revents == 0 || Copy(pair->server, pair->client));
      if (alive) {
        ++pair;
        continue;
      }
      Close(pair->client);
      Close(pair->server);
      pair = pairs_.erase(pair);
    }
    if (polled[0].revents != 0) {
      const Pair pair{accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC),
                      socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
      const sockaddr_in address = Loopback(to_port_);
      // Refused behind the proxy: refused before it.
      if (connect(pair.server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) {
        pairs_.push_back(pair);
      } else {
        Close(pair.client);
        Close(pair.server);
      }
      ++connections_;
    }
  }
  for (const Pair& pair : pairs_) {
    Close(pair.client);
    Close(pair.server);
  }
}

bool TcpProxy::Copy(int from, int to) {
  std::array<char, 65536> buffer;
  const ssize_t got = recv(from, buffer.data(), buffer.size(), 0);
  if (got <= 0) return false;
  for (ssize_t sent = 0; sent < got;) {
    const ssize_t now =
        send(to, buffer.data() + sent, static_cast<std::size_t>(got - sent), MSG_NOSIGNAL);
    if (now <= 0) return false;
    sent += now;
  }
  return true;
}

}  // namespace doagent::test
