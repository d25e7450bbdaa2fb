"""Compares two dumps of a spool in JSON, line by line and value by value.

usage: compare_lines.py ONE OTHER

Order counts, of lines as of keys. Integers must be the same digit by digit; where one side has a
fraction or an exponent, both must be the same double, bit by bit.

Exit status: 0 equal; 1 not: the first differences are printed; 2 wrong usage.
"""

import itertools
import json
import struct
import sys

DIFFERENCES_SHOWN = 5
SHOWN_MAX = 200  # characters of a value


class Pairs(list):
    """A JSON object as it stands: with its order, and with keys that occur twice."""


def integer(text):
    return -0.0 if text == "-0" else int(text)


def parse(line):
    return json.loads(line, parse_int=integer, object_pairs_hook=Pairs)


def same_number(one, other):
    if isinstance(one, int) and isinstance(other, int):
        return one == other
    return struct.pack("<d", float(one)) == struct.pack("<d", float(other))


def differences(one, other, where):
    """The places where they differ, with what stands there."""
    if isinstance(one, (int, float)) and isinstance(other, (int, float)):
        if not same_number(one, other):
            yield where, one, other
    elif isinstance(one, list) and type(one) is type(other) and len(one) == len(other):
        for i, (left, right) in enumerate(zip(one, other)):
            yield from differences(left, right, f"{where}.{i}")
    elif isinstance(one, tuple) and isinstance(other, tuple) and one[0] == other[0]:
        yield from differences(one[1], other[1], f"{where}.{one[0]}")
    elif one != other:
        yield where, one, other


def file_differences(one, other):
    for number, (left, right) in enumerate(itertools.zip_longest(one, other), start=1):
        if left is None or right is None:
            yield f"line {number}", left, right
        else:
            yield from differences(parse(left), parse(right), f"line {number}")


def shown(value):
    text = str(value)
    return text if len(text) <= SHOWN_MAX else text[:SHOWN_MAX] + "…"


def main():
    if len(sys.argv) != 3:
        print(__doc__.splitlines()[2], file=sys.stderr)
        return 2
    with open(sys.argv[1], encoding="utf-8") as one, open(sys.argv[2], encoding="utf-8") as other:
        found = list(itertools.islice(file_differences(one, other), DIFFERENCES_SHOWN))
    for where, left, right in found:
        print(f"{where}: {shown(left)} is not {shown(right)}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
