// The client's first message: who it is and what it has to offer.

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "doagent/v1/ingest.pb.h"
#include "spool/stored.h"
#include "uploader/wire.h"
#include "uploader/wire_internal.h"

namespace doagent::uploader {

namespace {

void EncodeHost(const spool::Host& host, v1::Host* out) {
  out->set_hostname(CleanText(host.hostname, kTextBytesMax));
  out->set_machine_id(CleanText(host.machine_id, kTextBytesMax));
  out->set_droplet_id(CleanText(host.droplet_id, kTextBytesMax));
  out->set_region(CleanText(host.region, kTextBytesMax));
  out->set_agent_version(CleanText(host.agent_version, kTextBytesMax));
}

void EncodeClaim(const spool::Claim& claim, std::size_t incarnations_max, v1::SpoolClaim* out) {
  out->set_spool_id(std::string(claim.spool_id.bytes()));
  EncodeHost(claim.host, out->mutable_host());
  const std::size_t count = claim.incarnations.size();
  for (std::size_t i = count - std::min(count, incarnations_max); i < count; ++i) {
    v1::Incarnation* incarnation = out->add_incarnations();
    incarnation->set_id(claim.incarnations[i].incarnation);
    incarnation->set_first_sequence(claim.incarnations[i].first_sequence);
  }
  out->set_first_pending_sequence(claim.first_pending);
  out->set_head_sequence(claim.head);
  out->set_current(claim.current);
}

Result<spool::Host> DecodeHost(const v1::Host& host) {
  for (const std::string* text : {&host.hostname(), &host.machine_id(), &host.droplet_id(),
                                  &host.region(), &host.agent_version()}) {
    if (text->size() > kTextBytesMax) {
      return Malformed("host has a text of " + Number(text->size()) + " bytes; the limit is " +
                       Number(kTextBytesMax));
    }
  }
  return spool::Host{
      CleanText(host.hostname(), kTextBytesMax), CleanText(host.machine_id(), kTextBytesMax),
      CleanText(host.droplet_id(), kTextBytesMax), CleanText(host.region(), kTextBytesMax),
      CleanText(host.agent_version(), kTextBytesMax)};
}

Result<std::vector<spool::IncarnationStart>> DecodeIncarnations(const v1::SpoolClaim& claim) {
  if (static_cast<std::size_t>(claim.incarnations_size()) > kIncarnationsMax) {
    return Malformed("a claim has " + Number(static_cast<std::size_t>(claim.incarnations_size())) +
                     " incarnations; the limit is " + Number(kIncarnationsMax));
  }
  std::vector<spool::IncarnationStart> incarnations;
  Sequence previous = 1;
  for (const v1::Incarnation& incarnation : claim.incarnations()) {
    if (incarnation.id() == 0) return Malformed("an incarnation is 0");
    if (incarnation.first_sequence() < previous ||
        incarnation.first_sequence() > spool::kSequenceMax) {
      return Malformed("incarnation begins at " + Number(incarnation.first_sequence()) + " after " +
                       Number(previous) + ": they must ascend within 1-" +
                       Number(spool::kSequenceMax));
    }
    previous = incarnation.first_sequence();
    incarnations.push_back({incarnation.id(), incarnation.first_sequence()});
  }
  return incarnations;
}

Result<spool::Claim> DecodeClaim(const v1::SpoolClaim& in) {
  spool::Claim claim;
  DOAGENT_ASSIGN(claim.spool_id, DecodeId<SpoolId>(in.spool_id(), "a claim's spool_id"));
  DOAGENT_ASSIGN(claim.host, DecodeHost(in.host()));
  DOAGENT_ASSIGN(claim.incarnations, DecodeIncarnations(in));
  if (in.head_sequence() > spool::kSequenceMax || in.first_pending_sequence() == 0 ||
      in.first_pending_sequence() > in.head_sequence() + 1) {
    return Malformed("a claim offers sequences " + Number(in.first_pending_sequence()) + "-" +
                     Number(in.head_sequence()));
  }
  claim.first_pending = in.first_pending_sequence();
  claim.head = in.head_sequence();
  claim.current = in.current();
  return claim;
}

}  // namespace

Result<std::string> EncodeHello(const Hello& hello) {
  if (hello.claims.empty() || hello.claims.size() > kClaimsMax) {
    return Fail(ErrorCode::kRefuse, "hello",
                Number(hello.claims.size()) + " spool ids to offer; a session takes 1 to " +
                    Number(kClaimsMax));
  }
  v1::ClientMessage message;
  v1::Hello* out = message.mutable_hello();
  out->set_protocol_version(kProtocolVersion);
  out->set_agent_version(CleanText(hello.agent_version, kTextBytesMax));
  const std::size_t incarnations_max =
      std::min(kIncarnationsMax, kHelloIncarnationsMax / hello.claims.size());
  for (const spool::Claim& claim : hello.claims) {
    EncodeClaim(claim, incarnations_max, out->add_spools());
  }
  if (message.ByteSizeLong() > kClientMessageBytesMax) {
    return Fail(
        ErrorCode::kRefuse, "hello",
        Number(message.ByteSizeLong()) + " bytes; the limit is " + Number(kClientMessageBytesMax));
  }
  return message.SerializeAsString();
}

Result<Hello> DecodeHello(const v1::Hello& in) {
  if (in.protocol_version() < kProtocolVersion) {
    return Malformed("protocol version " + Number(in.protocol_version()) + "; this receiver has " +
                     Number(kProtocolVersion));
  }
  if (in.agent_version().size() > kTextBytesMax) return Malformed("agent_version is too long");
  const auto count = static_cast<std::size_t>(in.spools_size());
  if (count == 0 || count > kClaimsMax) {
    return Malformed("has " + Number(count) + " claims; 1 to " + Number(kClaimsMax) +
                     " are allowed");
  }
  Hello hello;
  hello.agent_version = CleanText(in.agent_version(), kTextBytesMax);
  hello.claims.reserve(count);
  std::unordered_set<SpoolId, SpoolId::Hash> seen;
  bool current = false;
  for (const v1::SpoolClaim& spool : in.spools()) {
    DOAGENT_ASSIGN(spool::Claim claim, DecodeClaim(spool));
    if (!seen.insert(claim.spool_id).second) {
      return Malformed("claims spool id " + claim.spool_id.Hex() + " twice");
    }
    if (claim.current && current) return Malformed("claims two current spool ids");
    current = current || claim.current;
    hello.claims.push_back(std::move(claim));
  }
  return hello;
}

}  // namespace doagent::uploader
