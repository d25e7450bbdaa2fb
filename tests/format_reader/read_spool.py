"""Reads a spool by docs/spool-format.md alone, and shows by that that the document is enough.

usage: read_spool.py SPOOL PROTO_PYTHON_DIR

SPOOL is a spool's database; PROTO_PYTHON_DIR has what `protoc --python_out` made of proto/. Needs
python3-protobuf and the zstd program. Prints what `do-agent-spool dump --format json` prints, and
on standard error what it was made from, as one JSON object. It is meant to be compared with, not to
be fast: it keeps everything in memory, and checks no limits on sizes.

Exit status: 0 done; 1 damaged records were left out, and are named on standard error; 2 wrong
usage. What is no spool at all ends in an exception.
"""

import collections
import hashlib
import json
import os
import sqlite3
import struct
import subprocess
import sys
import tempfile
import urllib.parse

if len(sys.argv) != 3:
    sys.exit(__doc__.splitlines()[2])
sys.path.insert(0, sys.argv[2])

from google.protobuf.message import DecodeError

import decode
from decode import Damaged, require
from doagent.v1 import storage_pb2 as storage
from xxh64 import xxh64

APPLICATION_ID = 0x646F6167
VERSION = 4
SEQUENCE_BITS = 40
PLAIN, ZSTD = 0, 1
SCHEMA, KEY, LAYOUT = 1, 2, 3  # kinds of objects
ROW, EVENT = 0, 1  # kinds of records
OBJECT_TYPES = {SCHEMA: storage.Schema, KEY: storage.Key, LAYOUT: storage.Layout}

Event = collections.namedtuple("Event", "sequence time_unix_ns message")


def open_spool(path):
    """One read transaction: everything is seen as it was at one moment."""
    location = "file:" + urllib.parse.quote(os.path.abspath(path)) + "?mode=ro"
    database = sqlite3.connect(location, uri=True, isolation_level=None)
    database.row_factory = sqlite3.Row
    database.execute("BEGIN")
    found = [database.execute(f"PRAGMA {name}").fetchone()[0]
             for name in ("application_id", "user_version")]
    if found != [APPLICATION_ID, VERSION]:
        raise ValueError(f"{path}: application id and version are {found}")
    return database


def parse(message_type, data):
    message = message_type()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise Damaged(f"no {message_type.__name__}: {error}") from error
    return message


def split_id(packed):
    return packed >> SEQUENCE_BITS, packed & ((1 << SEQUENCE_BITS) - 1)


# --- Payloads ------------------------------------------------------------------------------------


class Payloads:
    """Decompresses all payloads at once: one process, not one for each."""

    def __init__(self, database):
        frames = set()
        for table in ("objects", "object_copies", "records", "blocks"):
            query = f"SELECT payload FROM {table} WHERE encoding = {ZSTD}"
            frames.update(payload for (payload,) in database.execute(query))
        self.messages = decompress(list(frames))

    def message(self, encoding, payload):
        if encoding == PLAIN:
            return payload
        require(encoding == ZSTD, f"no encoding: {encoding}")
        require(payload in self.messages, "not a zstd frame")
        return self.messages[payload]


def decompress(frames):
    """What each frame holds; those that are none are not in it."""
    messages = {}
    with tempfile.TemporaryDirectory() as folder:
        names = [os.path.join(folder, str(i)) for i in range(len(frames))]
        for name, frame in zip(names, frames):
            with open(name + ".zst", "wb") as file:
                file.write(frame)
        # Says by the files it leaves which were frames: its status is one for all of them.
        subprocess.run(["zstd", "-d", "-q", "-r", folder], stderr=subprocess.DEVNULL)
        for name, frame in zip(names, frames):
            if os.path.exists(name):
                with open(name, "rb") as file:
                    messages[frame] = file.read()
    return messages


# --- Objects -------------------------------------------------------------------------------------


class Objects:
    """The objects with the right digest, from either table."""

    def __init__(self, database, payloads):
        self.ids = {}  # by number
        self.parsed = {}  # by kind and id
        self.layouts = {}
        self.from_copies = 0
        for row in database.execute("SELECT * FROM objects"):
            self.add(row, payloads)
        for row in database.execute("SELECT * FROM object_copies"):
            if row["number"] not in self.ids:
                self.from_copies += self.add(row, payloads)

    def add(self, row, payloads):
        """False where the object is damaged."""
        try:
            message = payloads.message(row["encoding"], row["payload"])
            digest = hashlib.sha256(bytes([row["kind"]]) + message).digest()
            require(digest[:16] == row["id"], "not the digest")
            self.parsed[row["kind"], row["id"]] = parse(OBJECT_TYPES[row["kind"]], message)
        except (Damaged, KeyError, ValueError):
            return False
        self.ids[row["number"]] = row["id"]
        return True

    def find(self, kind, identifier):
        require((kind, identifier) in self.parsed, f"object {identifier.hex()} is damaged or gone")
        return self.parsed[kind, identifier]

    def layout(self, identifier):
        if identifier not in self.layouts:
            schemas = self.find(LAYOUT, identifier).schemas
            self.layouts[identifier] = decode.Layout([self.find(SCHEMA, s) for s in schemas])
        return self.layouts[identifier]


# --- Records -------------------------------------------------------------------------------------


class Incarnations:
    """Which incarnation wrote a sequence, so that a record can be held against it."""

    def __init__(self, database):
        self.starts = [tuple(row) for row in database.execute(
            "SELECT origin, first_sequence, incarnation FROM incarnations"
            " ORDER BY origin, first_sequence")]

    def verify(self, origin, sequence, incarnation):
        before = [start for start in self.starts if start[0] == origin and start[1] <= sequence]
        require(before and before[-1][2] & decode.MASK == incarnation, "another incarnation's")


def verify_record(row, sequence, key_id):
    head = struct.pack("<QqBB", sequence, row["time_unix_ns"], row["kind"], row["encoding"])
    seed = xxh64(head + key_id)
    require(xxh64(row["payload"], seed) == row["checksum"] & decode.MASK, "not the checksum")


def read_record(row, payloads, objects, incarnations):
    origin, sequence = split_id(row["id"])
    key_id = bytes(16)
    if row["kind"] == ROW:
        require(row["key_object"] in objects.ids, "its key is damaged or gone")
        key_id = objects.ids[row["key_object"]]
    verify_record(row, sequence, key_id)
    message = payloads.message(row["encoding"], row["payload"])
    if row["kind"] == EVENT:
        event = parse(storage.Event, message)
        incarnations.verify(origin, sequence, event.incarnation)
        return Event(sequence, row["time_unix_ns"], event)
    require(row["kind"] == ROW, f"no kind of record: {row['kind']}")
    key = objects.find(KEY, key_id)
    incarnations.verify(origin, sequence, key.incarnation)
    return decode.snapshot_of_row(sequence, row["time_unix_ns"], parse(storage.Row, message), key,
                                  objects.layout(key.layout))


def verify_block(row, first):
    head = struct.pack("<QQqqQB", first, row["last"], row["first_time_unix_ns"],
                       row["last_time_unix_ns"], len(row["holes"]), row["encoding"])
    seed = xxh64(head + row["holes"] + row["layouts"])
    require(xxh64(row["payload"], seed) == row["checksum"] & decode.MASK, "not the checksum")


def read_block(row, payloads, objects, incarnations, codings_seen):
    origin, first = split_id(row["id"])
    verify_block(row, first)
    ids = row["layouts"]
    layouts = [objects.layout(ids[i : i + 16]) for i in range(0, len(ids), 16)]
    block = parse(storage.Block, payloads.message(row["encoding"], row["payload"]))
    times_ns = (row["first_time_unix_ns"], row["last_time_unix_ns"])
    snapshots = decode.snapshots_of_block(first, row["last"], times_ns, row["holes"], block,
                                          layouts, codings_seen)
    for snapshot in snapshots:
        incarnations.verify(origin, snapshot.sequence, block.incarnation)
    return snapshots


class Contents:
    """All records of a spool by origin and sequence, and what was damaged."""

    def __init__(self, database):
        self.records = {}
        self.damaged = []
        self.counts = collections.Counter(rows=0, events=0, blocks=0, block_snapshots=0)
        self.codings = collections.Counter({name: 0 for name in storage.Coding.keys()})
        payloads = Payloads(database)
        objects = Objects(database, payloads)
        incarnations = Incarnations(database)
        for row in database.execute("SELECT * FROM records"):
            self.add(row, "events" if row["kind"] == EVENT else "rows",
                     lambda: [read_record(row, payloads, objects, incarnations)])
        for row in database.execute("SELECT * FROM blocks"):
            self.add(row, "blocks",
                     lambda: read_block(row, payloads, objects, incarnations, self.codings))
        self.counts["objects_from_copies"] = objects.from_copies

    def add(self, row, kind, read):
        origin, first = split_id(row["id"])
        try:
            records = read()
        except Damaged as error:
            self.damaged.append(f"origin {origin}, {kind} {first}: {error}")
            return
        self.counts[kind] += 1
        self.counts["block_snapshots"] += len(records) if kind == "blocks" else 0
        for record in records:
            place = (origin, record.sequence)
            if place in self.records:
                self.damaged.append(f"origin {origin}, {kind} {record.sequence}: there twice")
            self.records[place] = record


# --- Output --------------------------------------------------------------------------------------


class States:
    """Where the delivery of a record stands."""

    def __init__(self, database):
        meta = dict(tuple(row) for row in database.execute("SELECT name, value FROM meta"))
        self.local = meta["role"] == "receiver" or meta["local"] == b"1"
        self.parked = {packed for (packed,) in database.execute("SELECT id FROM parked")}
        self.delivered = [tuple(row) for row in
                          database.execute("SELECT origin, first, last FROM delivered")]

    def of(self, origin, sequence):
        if origin << SEQUENCE_BITS | sequence in self.parked:
            return "parked"
        if any(o == origin and first <= sequence <= last for o, first, last in self.delivered):
            return "acknowledged"
        return "local" if self.local else "pending"


def event_object(event):
    kind = storage.EventKind.Name(event.kind)
    shown = {
        "kind": kind[len("EVENT_KIND_") :].lower(),
        "reason": event.reason,
        "count": event.count,
        "ranges": [[piece.first, piece.last] for piece in event.ranges],
    }
    if event.spool_id:
        shown["spool_id"] = event.spool_id.hex()
    return shown


def print_records(database, records):
    states = States(database)
    origins = {row["number"]: row for row in database.execute("SELECT * FROM origins")}
    for (number, sequence), record in sorted(records.items(), key=lambda entry: entry[0]):
        origin = origins[number]
        shown = {
            "origin": origin["spool_id"].hex(),
            "host": origin["hostname"],
            "sequence": sequence,
            "time_unix_ns": record.time_unix_ns,
            "state": states.of(number, sequence),
        }
        if isinstance(record, Event):
            shown["event"] = event_object(record.message)
        else:
            shown["samples"] = decode.samples_of(record)
        print(json.dumps(shown, ensure_ascii=False))


def main():
    sys.stdout.reconfigure(encoding="utf-8")
    database = open_spool(sys.argv[1])
    contents = Contents(database)
    print_records(database, contents.records)
    for damage in contents.damaged:
        print(damage, file=sys.stderr)
    print(json.dumps({**contents.counts, **contents.codings}), file=sys.stderr)
    return 1 if contents.damaged else 0


if __name__ == "__main__":
    sys.exit(main())
