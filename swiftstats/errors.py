"""The errors that swift-stats raises, one family; each carries the values that its message shows."""

from __future__ import annotations


class SwiftStatsError(Exception):
    """Base of every error that is a message to a person rather than a bug."""


class ConfigError(SwiftStatsError):
    """Configuration that is refused: the option, its value and what was expected, and where it stands."""

    def __init__(self, message: str, *, path: str | None = None, line: int | None = None) -> None:
        self.path, self.line = path, line
        where = "" if path is None else f"{path}: " if line is None else f"{path}, line {line}: "
        super().__init__(where + message)


class TimeError(SwiftStatsError):
    """A moment or a period that cannot be read; `expected` says what would do."""

    def __init__(self, value: str, expected: str) -> None:
        self.value, self.expected = value, expected
        super().__init__(f"{value!r} is no usable time; expected {expected}")


class JournalError(SwiftStatsError):
    """Base of what can be wrong with a spool and its files."""


class SegmentError(JournalError):
    """A segment that cannot be read: foreign, truncated or damaged. It is put aside."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}")


class SegmentVersionError(SegmentError):
    """A segment of a newer format: left alone until the flusher is upgraded."""


class PeriodFileError(JournalError):
    """A period file that fails its checksum or its bounds. It is put aside, and its loss recorded."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}")


class PeriodFileVersionError(PeriodFileError):
    """A period file of a newer format: left alone, and its period undecided by this version."""


class SweepInProgress(JournalError):
    """Another process holds the spool's sweep lock."""


class StoreError(SwiftStatsError):
    """Base of what the database can answer with."""


class DatabaseAway(StoreError):
    """The database cannot be reached, refuses, or cut the connection: try again later; nothing is lost."""


class DatabaseBusy(StoreError):
    """A deadlock or a lock timeout: the transaction was rolled back, and is to be tried again now."""


class SchemaError(StoreError):
    """The schema is missing, older or newer than this code; the message names the command that helps."""


class TooLarge(StoreError):
    """A sum that no 64-bit integer holds was to be stored; the transaction was rolled back."""


class UnknownServer(StoreError):
    """A server or writer that the store has never heard of."""


class CrawlError(SwiftStatsError):
    """What keeps a whole crawl from going on, such as credentials that are refused."""


class Unread(CrawlError):
    """One account that could not be read: unknown in this period, never zero; the others go on.

    `subject` is its name, percent-encoded, or the path or line that stands for it; `lasting`: asking again would not help.
    `account`: its name, where that is known.
    """

    def __init__(self, subject: str, reason: str, *, lasting: bool = False, account: bytes | None = None) -> None:
        self.subject, self.reason, self.lasting, self.account = subject, reason, lasting, account
        super().__init__(f"{subject}: {reason}")


class LogLineError(SwiftStatsError):
    """A line that is not one of Swift's access log; the message says why. It is counted, and the next one read."""


class LogFileError(SwiftStatsError):
    """A file that is no access log in the format that can be read."""

    def __init__(self, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path}: {reason}")
