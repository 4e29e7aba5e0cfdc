"""The format of a segment, version 1: one worker's counters for one period, in a file of 64-bit words.

All words are unsigned and in the machine's own byte order (a segment never leaves its host; the first word tells a foreign
one). The file is a header of one page, then extents, whose sizes follow from their number (`extent_words`), so that the
file's length tells where each begins. An extent holds rows, each in one piece, none across its end:

    word 0            crc32 of the name << 32 | ROW_MARK << 16 | length of the name in bytes; written last, 0: no row here
    word 1            1 once there is evidence that the account is real, else 0
    words 2 to 15     the cells of fields.CELLS
    words 16 …        the name, padded with zeros

A row never moves and its cells only grow. The header's words:

    0 magic, 1 version, 2 cells in a row, 3 period start, 4 period length (s), 5 and 6 incarnation, 7 process id, 8 created (s),
    9 crc32 of words 0 to 8                                                        written once, before the file gets its name
    16 state, 17 busy, 18 extents published, 20 requests lost, 21 bytes in lost, 22 bytes out lost          written while used

State and busy are the seal (counters.py). Lost is what this worker could not count, and says so (full disk).
"""

from __future__ import annotations

import zlib

from swiftstats.fields import CELL_COUNT

MAGIC = int.from_bytes(b"SwStSeg\n", "little")
VERSION = 1

WORD = 8
HEADER_BYTES = 4096
HEADER_WORDS = HEADER_BYTES // WORD

H_MAGIC, H_VERSION, H_CELLS, H_PERIOD, H_SECONDS, H_INCARNATION, H_PID, H_CREATED, H_CRC = 0, 1, 2, 3, 4, 5, 7, 8, 9
H_STATE, H_BUSY, H_EXTENTS, H_LOST = 16, 17, 18, 20
LOST_WORDS = 3

OPEN, SEALED = 1, 2

R_HEAD, R_EVIDENCE, R_CELLS = 0, 1, 2
R_NAME = R_CELLS + CELL_COUNT
ROW_MARK = 0x5257

#: A row's place is extent << PLACE_SHIFT | the word of its first cell in the extent.
PLACE_SHIFT = 20
PLACE_MASK = (1 << PLACE_SHIFT) - 1


def extent_words(number: int) -> int:
    """Return the length of extent `number` in words: 64 KiB, doubling to 4 MiB."""
    return (64 * 1024 << min(number, 6)) // WORD


def file_bytes(extents: int) -> int:
    """Return the length of a segment with that many extents, in bytes."""
    return HEADER_BYTES + WORD * sum(extent_words(number) for number in range(extents))


def row_words(name: bytes) -> int:
    """Return how many words a row of that name takes."""
    return R_NAME + (len(name) + WORD - 1) // WORD


def row_head(name: bytes) -> int:
    """Return the word that publishes a row of that name."""
    return zlib.crc32(name) << 32 | ROW_MARK << 16 | len(name)


def header_crc(words: bytes) -> int:
    """Return the check word of the header's first nine words, given as bytes."""
    return zlib.crc32(words[: H_CRC * WORD])
