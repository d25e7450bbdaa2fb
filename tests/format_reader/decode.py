"""Turns a spool's messages back into snapshots: docs/spool-format.md, "Objects", "Rows", "Blocks".

Pure: no database, no files. Messages come parsed; what contradicts the document raises Damaged.
"""

import collections
import struct
from fractions import Fraction

from doagent.v1 import storage_pb2 as storage

MASK = (1 << 64) - 1
DOUBLE = storage.VALUE_KIND_DOUBLE
CONSTANT = storage.VALUE_KIND_CONSTANT
ABSENT_SAMPLES = 0x80  # the bit of a coding byte

# values: the stored 64 bits of each series, None where it has no sample.
Snapshot = collections.namedtuple("Snapshot", "sequence time_unix_ns layout values")


class Damaged(Exception):
    """What is stored is not what the document says."""


def require(condition, what):
    if not condition:
        raise Damaged(what)


def has_bit(bitmap, index):
    return index // 8 < len(bitmap) and bitmap[index // 8] >> index % 8 & 1 == 1


def series_of(schema):
    return [(schema.families[series.family], series) for series in schema.series]


class Layout:
    """The schemas of a snapshot, and their series numbered through."""

    def __init__(self, schemas):
        self.schemas = schemas
        self.series = [pair for schema in schemas for pair in series_of(schema)]
        self.kinds = [family.kind for family, _ in self.series]


class Stream:
    """A sequence of numbers that is used up from its front."""

    def __init__(self, numbers, name):
        self.numbers = numbers
        self.name = name
        self.used = 0

    def take(self, count):
        require(self.used + count <= len(self.numbers), f"too few {self.name}")
        self.used += count
        return list(self.numbers[self.used - count : self.used])

    def take_one(self):
        return self.take(1)[0]

    def require_end(self):
        require(self.used == len(self.numbers), f"{self.name} are left over")


# --- Values --------------------------------------------------------------------------------------


def value_of(family, bits):
    """A number, exact where it is an integer, or the name of what JSON has no number for."""
    if family.kind == CONSTANT:
        return 1
    if family.kind == DOUBLE:
        return name_or_number(struct.unpack("<d", struct.pack("<Q", bits))[0])
    signed = family.kind == storage.VALUE_KIND_SIGNED
    integer = bits - (1 << 64) if signed and bits >> 63 else bits
    scaled = Fraction(integer * (family.mul or 1), family.div or 1)
    return scaled.numerator if (family.div or 1) == 1 else float(scaled)


def name_or_number(double):
    if double != double:
        return "NaN"
    return {float("inf"): "+Inf", float("-inf"): "-Inf"}.get(double, double)


def samples_of(snapshot):
    return [
        {
            "name": family.name,
            "labels": dict(zip(series.labels[::2], series.labels[1::2])),
            "value": value_of(family, bits),
        }
        for (family, series), bits in zip(snapshot.layout.series, snapshot.values)
        if bits is not None
    ]


# --- Rows ----------------------------------------------------------------------------------------


def key_values(key, layout):
    """The bits of every series of the key, whether it has a sample or not."""
    integers, doubles = Stream(key.integers, "integers"), Stream(key.doubles, "doubles")
    values = []
    for kind in layout.kinds:
        if kind == CONSTANT:
            values.append(0)
        else:
            values.append((doubles if kind == DOUBLE else integers).take_one() & MASK)
    integers.require_end()
    doubles.require_end()
    return values


def row_values(row, key, layout):
    values = key_values(key, layout)
    deltas, xors = Stream(row.deltas, "deltas"), Stream(row.xors, "xors")
    for i, kind in enumerate(layout.kinds):
        if has_bit(row.surprising, i) == has_bit(key.expected, i):
            continue
        require(kind != CONSTANT, "a constant differs")
        if kind == DOUBLE:
            values[i] ^= xors.take_one()
        else:
            values[i] = values[i] + deltas.take_one() & MASK
    deltas.require_end()
    xors.require_end()
    return values


def row_presence(row, key, layout):
    present = [not has_bit(key.absent, i) for i in range(len(layout.series))]
    index = 0
    for distance in row.flipped:
        index += distance
        require(index < len(present), "a flipped series that is not there")
        present[index] = not present[index]
    return present


def snapshot_of_row(sequence, time_unix_ns, row, key, layout):
    values = row_values(row, key, layout)
    present = row_presence(row, key, layout)
    values = [value if there else None for value, there in zip(values, present)]
    return Snapshot(sequence, time_unix_ns, layout, values)


# --- Blocks --------------------------------------------------------------------------------------


def block_sequences(first, last, holes):
    require(first <= last, "the range ends before it begins")
    sequences = [first + i for i in range(last - first + 1) if not has_bit(holes, i)]
    require(sequences and sequences[0] == first and sequences[-1] == last,
            "the first or the last snapshot is in a hole")
    return sequences


def block_times(first_ns, last_ns, block, count):
    require(len(block.times_ns) == count - 1, "not as many times as snapshots")
    require(len(block.clock_drifts_ns) in (0, count - 1), "not as many drifts as snapshots")
    times, step = [first_ns], 0
    for change in block.times_ns:
        step += change
        times.append(times[-1] + step)
    require(times[-1] == last_ns, "the times do not end at the last snapshot's")
    return times


def grew(before, after):
    """Whether a schema is another one or begins with its families and series."""
    return (list(after.families[: len(before.families)]) == list(before.families)
            and list(after.series[: len(before.series)]) == list(before.series))


def layout_columns(layout, last_layout):
    """The columns of the last layout that a snapshot of an earlier one has."""
    require(len(layout.schemas) == len(last_layout.schemas), "the number of schemas changes")
    columns, start = [], 0
    for schema, last_schema in zip(layout.schemas, last_layout.schemas):
        require(grew(schema, last_schema), "a schema changes other than at its end")
        columns.extend(range(start, start + len(schema.series)))
        start += len(last_schema.series)
    return columns


def column_presence(coding, positions, count):
    if not coding & ABSENT_SAMPLES:
        return [True] * count
    present, there = [], True
    while len(present) < count:
        length = positions.take_one()
        require(length > 0 or not present and there, "an empty run")
        present.extend([there] * length)
        there = not there
    require(len(present) == count, "runs beyond the last snapshot")
    return present


def column_values(coding, kind, count, positions, integers, doubles):
    """The bits of the samples that are there, in order; REQUIRES one at least."""
    if kind == DOUBLE:
        return double_values(coding, count, doubles)
    if coding == storage.CODING_CONSTANT:
        return [integers.take_one() & MASK] * count
    if coding == storage.CODING_LINEAR:
        first, difference = integers.take(2)
        differences = [difference] * (count - 1)
    elif coding == storage.CODING_DELTA:
        first, *differences = integers.take(count)
    elif coding == storage.CODING_DELTA_OF_DELTA:
        first, *changes = integers.take(count)
        differences = running_sums(0, changes)[1:]
    else:
        require(coding == storage.CODING_SPARSE, f"no coding of integers: {coding}")
        first, differences = sparse_differences(count, positions, integers)
    return [value & MASK for value in running_sums(first, differences)]


def running_sums(first, differences):
    sums = [first]
    for difference in differences:
        sums.append(sums[-1] + difference)
    return sums


def sparse_differences(count, positions, integers):
    first, changes = integers.take(2)
    require(0 <= changes < count, "more changes than samples")
    differences, at = [0] * (count - 1), 0
    for change, distance in zip(integers.take(changes), positions.take(changes)):
        at += distance
        require(distance > 0 and at < count, "a change that is not at a sample of its own")
        differences[at - 1] = change
    return first, differences


def double_values(coding, count, doubles):
    if coding == storage.CODING_CONSTANT:
        return doubles.take(1) * count
    require(coding == storage.CODING_XOR, f"no coding of doubles: {coding}")
    values = doubles.take(1)
    for change in doubles.take(count - 1):
        values.append(values[-1] ^ change)
    return values


def block_columns(block, kinds, count, codings_seen):
    """For each column the bits of each snapshot, None where there is no sample."""
    require(len(block.codings) == len(kinds), "not as many codings as columns")
    positions = Stream(block.positions, "positions")
    integers, doubles = Stream(block.integers, "integers"), Stream(block.doubles, "doubles")
    columns = []
    for coding, kind in zip(block.codings, kinds):
        present = column_presence(coding, positions, count)
        coding &= ~ABSENT_SAMPLES
        if kind == CONSTANT or not any(present):
            values = [0] * sum(present)
        else:
            values = column_values(coding, kind, sum(present), positions, integers, doubles)
            codings_seen[storage.Coding.Name(coding)] += 1
        rest = iter(values)
        columns.append([next(rest) if there else None for there in present])
    for stream in (positions, integers, doubles):
        stream.require_end()
    return columns


def snapshots_of_block(first, last, times_ns, holes, block, layouts, codings_seen):
    """All of them; counts in codings_seen how often each coding occurred."""
    sequences = block_sequences(first, last, holes)
    count = len(sequences)
    times = block_times(*times_ns, block, count)
    require(layouts and len(block.layout_snapshots) == len(layouts), "not a count a layout")
    require(sum(block.layout_snapshots) == count, "layouts not of all snapshots")
    columns = block_columns(block, layouts[-1].kinds, count, codings_seen)
    snapshots = []
    for layout, length in zip(layouts, block.layout_snapshots):
        here = layout_columns(layout, layouts[-1])
        for i in range(len(snapshots), len(snapshots) + length):
            values = [columns[column][i] for column in here]
            snapshots.append(Snapshot(sequences[i], times[i], layout, values))
    return snapshots
