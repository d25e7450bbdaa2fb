// Certificate authorities and certificates for tests of TLS. Header-only, for the tests that link
// OpenSSL.
#pragma once

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "spool/check.h"

namespace doagent::test {

struct PemPair {
  std::string cert;
  std::string key;
};

// Issues certificates that are good from an hour ago until in an hour.
class TestAuthority {
 public:
  TestAuthority() : key_(MakeKey()), cert_(MakeCert("test authority", "", key_.get(), nullptr)) {}

  std::string cert_pem() const { return CertPem(cert_.get()); }

  // subject: the common name. alternative: such as "IP:127.0.0.1" or "DNS:localhost"; may be empty.
  PemPair Issue(const std::string& subject, const std::string& alternative = "") {
    const Key key = MakeKey();
    const Cert cert = MakeCert(subject, alternative, key.get(), cert_.get());
    return {CertPem(cert.get()), KeyPem(key.get())};
  }

 private:
  template <auto Free>
  struct Deleter {
    template <typename T>
    void operator()(T* object) const {
      Free(object);
    }
  };
  using Key = std::unique_ptr<EVP_PKEY, Deleter<EVP_PKEY_free>>;
  using Cert = std::unique_ptr<X509, Deleter<X509_free>>;
  using Memory = std::unique_ptr<BIO, Deleter<BIO_free_all>>;

  static Key MakeKey() { return Key(EVP_EC_gen("P-256")); }

  static void AddExtension(X509* cert, X509V3_CTX* context, int nid, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, context, nid, value.c_str());
    DOAGENT_CHECK(extension != nullptr);
    DOAGENT_CHECK(X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
  }

  // Signed by this authority; without an issuer, its own.
  Cert MakeCert(const std::string& subject, const std::string& alternative, EVP_PKEY* key,
                X509* issuer) {
    Cert cert(X509_new());
    X509_set_version(cert.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert.get()), ++serial_);
    X509_gmtime_adj(X509_getm_notBefore(cert.get()), -3600);
    X509_gmtime_adj(X509_getm_notAfter(cert.get()), 3600);
    X509_set_pubkey(cert.get(), key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(cert.get()), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(subject.c_str()), -1, -1, 0);
    const bool root = issuer == nullptr;
    if (root) issuer = cert.get();
    X509_set_issuer_name(cert.get(), X509_get_subject_name(issuer));
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, cert.get(), nullptr, nullptr, 0);
    AddExtension(cert.get(), &context, NID_basic_constraints,
                 root ? "critical,CA:TRUE" : "critical,CA:FALSE");
    if (!alternative.empty()) {
      AddExtension(cert.get(), &context, NID_subject_alt_name, alternative);
    }
    DOAGENT_CHECK(X509_sign(cert.get(), key_.get(), EVP_sha256()) > 0);
    return cert;
  }

  static std::string Content(BIO* memory) {
    char* data = nullptr;
    const long size = BIO_get_mem_data(memory, &data);
    return std::string(data, static_cast<std::size_t>(size));
  }

  static std::string CertPem(X509* cert) {
    const Memory memory(BIO_new(BIO_s_mem()));
    DOAGENT_CHECK(PEM_write_bio_X509(memory.get(), cert) == 1);
    return Content(memory.get());
  }

  static std::string KeyPem(EVP_PKEY* key) {
    const Memory memory(BIO_new(BIO_s_mem()));
    DOAGENT_CHECK(PEM_write_bio_PKCS8PrivateKey(memory.get(), key, nullptr, nullptr, 0, nullptr,
                                                nullptr) == 1);
    return Content(memory.get());
  }

  long serial_ = 0;
  Key key_;
  Cert cert_;
};

}  // namespace doagent::test
