"""XXH64, the checksum of a spool's records and blocks; slow, and independent of the C library."""

import struct

MASK = (1 << 64) - 1
PRIMES = (
    0,  # so that they count from 1, as in the algorithm's description
    0x9E3779B185EBCA87,
    0xC2B2AE3D27D4EB4F,
    0x165667B19E3779F9,
    0x85EBCA77C2B2AE63,
    0x27D4EB2F165667C5,
)


def rotate(value, bits):
    return (value << bits | value >> (64 - bits)) & MASK


def mix_lane(accumulator, lane):
    return rotate((accumulator + lane * PRIMES[2]) & MASK, 31) * PRIMES[1] & MASK


def digest_stripes(data, seed):
    """What the whole stripes of 32 bytes come to; REQUIRES one at least."""
    accumulators = [
        (seed + PRIMES[1] + PRIMES[2]) & MASK,
        (seed + PRIMES[2]) & MASK,
        seed,
        (seed - PRIMES[1]) & MASK,
    ]
    for lanes in struct.iter_unpack("<4Q", data[: len(data) // 32 * 32]):
        accumulators = [mix_lane(a, lane) for a, lane in zip(accumulators, lanes)]
    result = sum(rotate(a, bits) for a, bits in zip(accumulators, (1, 7, 12, 18))) & MASK
    for accumulator in accumulators:
        result = ((result ^ mix_lane(0, accumulator)) * PRIMES[1] + PRIMES[4]) & MASK
    return result


def mix_tail(result, tail):
    """The up to 31 bytes behind the last whole stripe."""
    at = 0
    while len(tail) - at >= 8:
        result ^= mix_lane(0, int.from_bytes(tail[at : at + 8], "little"))
        result = (rotate(result, 27) * PRIMES[1] + PRIMES[4]) & MASK
        at += 8
    if len(tail) - at >= 4:
        result ^= int.from_bytes(tail[at : at + 4], "little") * PRIMES[1] & MASK
        result = (rotate(result, 23) * PRIMES[2] + PRIMES[3]) & MASK
        at += 4
    for byte in tail[at:]:
        result = rotate(result ^ byte * PRIMES[5] & MASK, 11) * PRIMES[1] & MASK
    return result


def xxh64(data, seed=0):
    result = digest_stripes(data, seed) if len(data) >= 32 else (seed + PRIMES[5]) & MASK
    result = mix_tail((result + len(data)) & MASK, data[len(data) // 32 * 32 :])
    result = (result ^ result >> 33) * PRIMES[2] & MASK
    result = (result ^ result >> 29) * PRIMES[3] & MASK
    return result ^ result >> 32
