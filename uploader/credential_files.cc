#include "uploader/credential_files.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string_view>

namespace doagent::uploader {

namespace {

template <auto Free>
struct Deleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Bio = std::unique_ptr<BIO, Deleter<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Deleter<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;

tl::unexpected<Error> Unusable(const std::filesystem::path& path, std::string what) {
  return Fail(ErrorCode::kRefuse, path.string(), std::move(what));
}

tl::unexpected<Error> CannotBeRead(const std::filesystem::path& path) {
  return Unusable(path, std::string("cannot be read: ") + std::strerror(errno) +
                            "; correct the path, or the permissions of the file");
}

Bio MemoryBio(const std::string& pem) {
  return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int fd() const { return fd_; }

 private:
  int fd_;
};

// No passphrase: asking for one on a terminal would hang a daemon.
int NoPassphrase(char*, int, int, void*) {
  return 0;
}

// The first certificate; nothing unless all are readable.
Certificate FirstCertificate(const std::string& pem) {
  const Bio bio = MemoryBio(pem);
  Certificate first;
  while (Certificate next{PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr)}) {
    if (!first) first = std::move(next);
  }
  // The loop must have ended for want of another block, not for a broken one.
  const bool complete = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  return complete ? std::move(first) : nullptr;
}

}  // namespace

Result<std::string> ReadSmallFile(const std::filesystem::path& path, std::size_t bytes_max) {
  // Without O_NONBLOCK a named pipe would hang the caller.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (file.fd() < 0 || fstat(file.fd(), &info) != 0) {
    return CannotBeRead(path);
  }
  if (!S_ISREG(info.st_mode)) return Unusable(path, "is not a file");
  std::string content(bytes_max + 1, '\0');
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t got = read(file.fd(), content.data() + size, content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return CannotBeRead(path);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > bytes_max) {
    return Unusable(path, "has more than " + std::to_string(bytes_max) + " bytes");
  }
  content.resize(size);
  return content;
}

bool IsToken(std::string_view text) {
  return !text.empty() && text.size() <= kTokenBytesMax &&
         std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < '\x7F'; });
}

Result<std::string> ReadToken(const std::filesystem::path& path) {
  DOAGENT_ASSIGN(const std::string content, ReadSmallFile(path, 2 * kTokenBytesMax));
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = content.find_first_not_of(kSpace);
  if (begin == std::string::npos) {
    return Unusable(path, "is empty; write the token that the receiver knows into it");
  }
  std::string token = content.substr(begin, content.find_last_not_of(kSpace) + 1 - begin);
  if (!IsToken(token)) {
    return Unusable(path, "must hold one token of at most " + std::to_string(kTokenBytesMax) +
                              " visible ASCII characters and nothing else");
  }
  return token;
}

Result<std::string> ReadCertificates(const std::filesystem::path& path) {
  DOAGENT_ASSIGN(std::string pem, ReadSmallFile(path, kCredentialFileBytesMax));
  if (!FirstCertificate(pem)) return Unusable(path, "holds no readable PEM certificates");
  return pem;
}

Result<KeyCertPair> ReadKeyCertPair(const std::filesystem::path& cert,
                                    const std::filesystem::path& key) {
  KeyCertPair pair;
  DOAGENT_ASSIGN(pair.cert, ReadSmallFile(cert, kCredentialFileBytesMax));
  DOAGENT_ASSIGN(pair.key, ReadSmallFile(key, kCredentialFileBytesMax));
  const Certificate leaf = FirstCertificate(pair.cert);
  if (!leaf) return Unusable(cert, "holds no readable PEM certificate");
  const Bio bio = MemoryBio(pair.key);
  const Key parsed(PEM_read_bio_PrivateKey(bio.get(), nullptr, NoPassphrase, nullptr));
  ERR_clear_error();
  if (!parsed) return Unusable(key, "holds no readable PEM key without a passphrase");
  const bool fit = X509_check_private_key(leaf.get(), parsed.get()) == 1;
  ERR_clear_error();
  if (!fit) {
    return Unusable(key, "is not the key of the certificate in " + cert.string() +
                             "; replace both, from the same issue");
  }
  return pair;
}

}  // namespace doagent::uploader
