"""The period file: what a host has decided about a period that it closed, once and for good.

A gzip file named PERIOD-END.period. Its content: one line of JSON,

    {"version": 1, "cells": [names], "period": start, "end": end, "incarnations": [32 hex digits …], "rows": number,
     "segments": [names merged], "losses": [{"incarnation", "begin", "end", "kind", "subject", "requests", "bytes_in",
     "bytes_out", "detail"}]}

then `rows` rows in order of incarnation and name (big-endian: index of the incarnation u16, length of the name u16, a u64 per
cell, the name), then the SHA-256 of all before it. It is written under a temporary name, forced to disk and renamed, so it is
whole or not there. Every shipment of a closed period is read from it, the first one and each later one.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import json
import os
import struct
import zlib
from typing import BinaryIO, Iterable, Iterator, NamedTuple

from swiftstats.errors import PeriodFileError, PeriodFileVersionError
from swiftstats.fields import CELL_COUNT, CELLS, NAME_BYTES

VERSION = 1
_ROW = struct.Struct(f">HH{CELL_COUNT}Q")
_DIGEST = 32
_HEADER_BYTES = 2**26
#: Errors that say something of the file, and not of who reads it; gzip's own have no number.
_OF_THE_FILE = (None, errno.ENOENT, errno.EIO)


class Loss(NamedTuple):
    """Something that was not counted: of which writer, in [begin, end), and how much of it is known."""

    incarnation: str
    begin: int
    end: int
    kind: str
    subject: str = ""
    requests: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    detail: str = ""


class PeriodHeader(NamedTuple):
    """The first line of a period file."""

    period: int
    end: int
    incarnations: tuple[str, ...]
    rows: int
    segments: tuple[str, ...]
    losses: tuple[Loss, ...]


class PeriodRow(NamedTuple):
    """One account's totals under one incarnation."""

    incarnation: str
    name: bytes
    cells: tuple[int, ...]


def file_name(period: int, end: int) -> str:
    """Return the name of the file of [period, end)."""
    return f"{period}-{end}.period"


def parse_name(name: str) -> tuple[int, int] | None:
    """Return (period, end) of a period file's name; None for any other name."""
    stem, dot, suffix = name.partition(".")
    first, dash, second = stem.partition("-")
    if suffix != "period" or not dot or not dash or not (first.isdecimal() and second.isdecimal()):
        return None
    return int(first), int(second)


def write(directory: str, header: PeriodHeader, rows: Iterable[PeriodRow]) -> str:
    """Write a period file and force it to disk; return its path. `rows` must be in order, and header.rows many."""
    path = os.path.join(directory, file_name(header.period, header.end))
    temporary = path + ".new"
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as raw:
        digest = hashlib.sha256()
        with gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=1, mtime=0) as file:
            for block in _blocks(header, rows):
                digest.update(block)
                file.write(block)
            file.write(digest.digest())
        raw.flush()
        os.fsync(fd)
    os.rename(temporary, path)
    sync_directory(directory)
    return path


def read(path: str) -> tuple[PeriodHeader, Iterator[PeriodRow]]:
    """Return header and rows of the file at `path`, its checksum tried before.

    Raises PeriodFileError for a damaged one, PeriodFileVersionError for a newer format, OSError where the reader fails.
    """
    try:
        header = _verify(path)
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as error:
        if isinstance(error, OSError) and error.errno not in _OF_THE_FILE:
            raise
        raise PeriodFileError(path, f"damaged: {error}") from error
    return header, _rows(path, header)


def sync_directory(directory: str) -> None:
    """Force a directory's names to disk, after a rename in it."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _blocks(header: PeriodHeader, rows: Iterable[PeriodRow]) -> Iterator[bytes]:
    document = {"version": VERSION, "cells": CELLS, **header._asdict(), "losses": [loss._asdict() for loss in header.losses]}
    yield json.dumps(document).encode() + b"\n"
    numbers = {incarnation: number for number, incarnation in enumerate(header.incarnations)}
    for incarnation, name, cells in rows:
        yield _ROW.pack(numbers[incarnation], len(name), *cells) + name


def _verify(path: str) -> PeriodHeader:
    """Read the whole file once for its checksum, holding little of it at a time."""
    digest = hashlib.sha256()
    with gzip.open(path) as file:
        line = file.readline(_HEADER_BYTES)
        digest.update(line)
        tail = b""
        while block := file.read(2**20):
            tail += block
            digest.update(tail[:-_DIGEST])
            tail = tail[-_DIGEST:]
    if digest.digest() != tail:
        raise ValueError("its checksum does not fit")
    document = json.loads(line)
    if document["version"] > VERSION:
        raise PeriodFileVersionError(path, f"format {document['version']} is newer than {VERSION}: upgrade this flusher")
    if tuple(document["cells"]) != CELLS:
        raise ValueError("it holds other cells than this version knows")
    return PeriodHeader(document["period"], document["end"], tuple(document["incarnations"]), document["rows"],
                        tuple(document["segments"]), tuple(Loss(**loss) for loss in document["losses"]))


def _rows(path: str, header: PeriodHeader) -> Iterator[PeriodRow]:
    with gzip.open(path) as file:
        file.readline(_HEADER_BYTES)
        for _ in range(header.rows):
            number, length, *cells = _ROW.unpack(_exactly(file, _ROW.size, path))
            if not 0 < length <= NAME_BYTES:
                raise PeriodFileError(path, f"a name of {length} bytes")
            yield PeriodRow(header.incarnations[number], _exactly(file, length, path), tuple(cells))


def _exactly(file: BinaryIO | gzip.GzipFile, length: int, path: str) -> bytes:
    block = file.read(length)
    if len(block) != length:
        raise PeriodFileError(path, "it ends early")
    return block
