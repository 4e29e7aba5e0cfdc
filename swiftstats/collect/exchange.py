"""One client request as it passes the filter: what of it was handed over, and what of that is counted.

An Exchange is the `start_response` that the application gets, and the `read` of its `wsgi.input`; of other bytes it hears from
the request's body (body.py) and from the answer (answer.py). When it counts (docs/counting.md):

- bytes in and out, while they pass, at latest after each MiB;
- the request itself, once: with the chunk that completes its Content-Length, before that is handed out; an empty body before it
  is returned; else at the end of the body, when it is closed or when it fails.

A request that fails after bytes of it were counted has those moved to unbilled that stand in the row where it was counted last:
they are added to unbilled there, and only there (`Counters.add_at`). So a request that spans two periods keeps billed in the
period that is past what passed in that period, and a cell never falls.

An exchange belongs to one thread; the journal behind it does not.
"""

from __future__ import annotations

from typing import Any, Callable, Optional, Tuple

from swiftstats.collect.classify import ALWAYS, KINDS, LINES, answered, may_be_s3, outcome, proves, whose
from swiftstats.collect.classify import NEVER as NEVER_PROVES
from swiftstats.collect.meter import PASSED_IN, PASSED_OUT, UNBILLED_IN, UNBILLED_OUT, Meter, with_bytes
from swiftstats.fields import UNKNOWN

#: So many bytes pass, at most, before they are counted: what a killed worker may lose of a request in flight.
MIB = 2**20

#: No count is due before the request's end.
NEVER = 2**63

#: The status of a request whose client left before it had one; proxy-logging's.
CLIENT_GONE = 499
#: The status of a request that died, or whose application never gave one.
FAILED = 500

#: A size that a reader did not give; what it then is, is the server's affair.
UNSAID: Any = object()


class Credit:
    """Bytes of a running exchange that are counted as billable in one row of the journal."""

    __slots__ = ("account", "place", "bytes_in", "bytes_out")

    def __init__(self, account: str, place: Any) -> None:
        self.account = account
        self.place = place
        self.bytes_in = 0
        self.bytes_out = 0


class Exchange:
    """A request between `meter`, the server's `start_response` and the application.

    `waiting_in` and `waiting_out` are bytes that passed and are not counted; at `room_in` and `room_out` they are due.
    `due` bytes of the body are to come that are not counted; NEVER, where nobody said how many.
    `environ` is the request's, which may refer back to us: nobody keeps it when the answer is over.
    `input` is the server's `wsgi.input`, where the filter gave it; `broken` is what reading from the client raised, or writing to
    it. `_increments` are the request's, where classify.LINES has them for its answer.
    """

    __slots__ = ("waiting_in", "waiting_out", "room_in", "room_out", "due", "counted", "input", "broken", "_meter", "environ",
                 "_server", "_write", "_method", "_path", "_may_be_s3", "_status", "_increments", "_from_s3", "_account",
                 "_credit")

    input: Any
    broken: Optional[BaseException]
    _increments: Optional[Tuple[int, ...]]
    _account: Optional[str]
    _credit: Optional[Credit]

    def begin(self, meter: Meter, environ: Any, start_response: Any, method: str) -> None:
        """Begin with a request. PERF: bench/filter.py; an `__init__` is called slowly."""
        self._meter = meter
        self.environ = environ
        self._server = start_response
        # Read before the application is called: COPY and domain_remap rewrite them.
        self._method = method
        self._path: str = environ.get("PATH_INFO", "")
        self._may_be_s3 = "HTTP_AUTHORIZATION" in environ or "QUERY_STRING" in environ and environ["QUERY_STRING"]
        self.waiting_in = self.waiting_out = self._status = 0
        self.room_in = MIB
        self.room_out = 0  # the first chunk is looked at: by then there is a status
        self.due = NEVER
        self._from_s3 = self.counted = False
        self._increments = self._account = self._credit = self.broken = None

    # What the application calls

    def start_response(self, status: str, headers: Any, exc_info: Any = None) -> Any:
        """Pass the status on, and look at it; where the server raises there is no status."""
        try:
            server = self._server
            write = server(status, headers) if exc_info is None else server(status, headers, exc_info)
        finally:
            exc_info = None
        try:
            if self._status:  # an application may say another, until it hands out bytes (PEP 3333)
                self._from_s3 = False
                self.due = NEVER
            try:
                self._status, self._increments, is_empty = LINES[self._method][status]
            except KeyError:
                self._status, self._increments, is_empty = answered(self._method, status)
            if type(headers) is not list or self._may_be_s3:
                self._look_through(headers)
            elif not is_empty:
                # PERF: bench/filter.py; Swift tells the length among the first of many, and no S3 layer has answered
                for name, value in headers:
                    if name == "Content-Length":
                        try:
                            self.due = int(value)
                            break
                        except ValueError:
                            continue
                else:
                    self._look_through(headers)
            if is_empty:
                self.due = 0
        except Exception:
            self._meter.trouble()
        if write is None:
            return None
        self._write = write
        return self._hand_out

    def _look_through(self, headers: Any) -> None:
        """Take note of the headers that tell of an answer, however they are spelled."""
        if hasattr(headers, "__next__"):
            return  # looking would use up an iterator
        for name, value in headers:
            if len(name) == 14 and name.lower() == "content-length":
                try:
                    self.due = int(value)
                except ValueError:
                    pass
            elif len(name) == 16 and name.lower() == "x-amz-request-id":
                self._from_s3 = True

    def read(self, size: Any = UNSAID, length: Any = None) -> bytes:
        """Read from the client, as the server's own `read` does, whose only parameter eventlet calls `length`.

        PERF: bench/filter.py; a body of many chunks spends all its time of ours here, and `**named` would make a call slow.
        """
        try:
            if length is not None or size is UNSAID:
                data: bytes = self._read_as_said(size, length)
            else:
                data = self.input.read(size)
        except BaseException as error:
            self.broken = error
            raise
        try:
            self.waiting_in = waiting = self.waiting_in + len(data)
            if waiting >= self.room_in:
                self.taken_in()
        except TypeError:  # None, where nothing can be read yet
            pass
        return data

    def _read_as_said(self, size: Any, length: Any) -> Any:
        if length is None:  # which is its default there, too
            return self.input.read()
        return self.input.read(length=length) if size is UNSAID else self.input.read(size, length)

    def _hand_out(self, data: bytes) -> Any:
        try:
            self.waiting_out += len(data)
            if self.waiting_out >= self.room_out:
                self.handed_out()
        except TypeError:  # no bytes: the server's complaint, not ours
            pass
        try:
            return self._write(data)
        except BaseException as error:
            self.broken = error
            raise

    # What body.py and answer.py call

    def begin_empty(self) -> None:
        """Count a request whose answer has no body, before that is returned."""
        if not self.counted:
            self._safely(self._count, self._status)

    def hand_over(self, whole: Any) -> None:
        """Count a request whose body is handed over whole, in a list."""
        self._safely(self._hand_over, whole)
        self.end()
        self.release()

    def end(self) -> None:
        """Take note that the body has come to its end."""
        if not self.counted:
            self._safely(self._end)
        elif self.waiting_in or self.waiting_out:
            self._safely(self._count_passed)

    def leave(self) -> None:
        """Take note that the body is closed; where it has not come to its end, the client left."""
        if not self.counted:
            self._safely(self._leave)

    def release(self) -> None:
        """Count what passed since the request was counted, and let go of what refers back to us."""
        if self.waiting_in or self.waiting_out:
            self._safely(self._count_passed)
        self.environ = self._server = self._write = self.broken = None

    def fail(self, error: BaseException) -> None:
        """Take note that `error` escaped the application: a failure of the server, unless the client caused it by leaving."""
        self._safely(self._die, error)
        self.release()

    def taken(self, what: Any) -> None:
        """Take note of what a read returned: bytes, a list of them, how many, or None."""
        self._safely(self._take_note, what)

    def taken_in(self) -> None:
        """Count bytes from the client, of which `room_in` wait."""
        try:  # as _safely does; PERF: bench/filter.py
            self._count_passed()
        except Exception:
            self._meter.trouble()

    def handed_out(self) -> None:
        """Count bytes to the client, of which `room_out` wait; and the request, where they are its last.

        PERF: bench/filter.py; what nearly all requests are takes half the steps of `_count`, which does the same. (The journal
        counts a name that is too long as unknown, too.)
        """
        try:  # as _safely does
            if not self._status:
                return  # an empty chunk before start_response
            bytes_out = self.waiting_out
            if bytes_out < self.due or self.counted:
                if bytes_out >= MIB:
                    self._count_passed()
                self.room_out = MIB if self.counted or self.due > MIB else self.due
                return
            self.room_out = MIB
            increments, environ, path = self._increments, self.environ, self._path
            parts = path.split("/", 3)
            if (increments is None or self._credit is not None
                    or self._may_be_s3 and (self._from_s3 or "swift.backend_path" in environ)
                    or environ.get("PATH_INFO") is not path or len(parts) < 3 or parts[0] or parts[1] != "v1" or not parts[2]):
                self._count(self._status)
                return
            self.counted = True
            self.room_in = MIB
            if self.waiting_in:
                increments = increments[0], increments[1], PASSED_IN, self.waiting_in
                self.waiting_in = 0
            if bytes_out:
                if self._method != "HEAD":
                    increments += PASSED_OUT, bytes_out
                self.waiting_out = 0
            self._account = account = parts[2]
            add = self._meter.add  # what an attribute holds is called slowly before it is taken
            add(account, increments, True)
        except Exception:
            self._meter.trouble()

    def _safely(self, step: Callable[..., None], *arguments: Any) -> None:
        """The one guarded place: whatever fails in the metering, the request goes on, and the log says so now and then."""
        try:
            step(*arguments)
        except Exception:
            self._meter.trouble()

    # What counts; all of it is called through _safely

    def _take_note(self, what: Any) -> None:
        self.waiting_in += what if isinstance(what, int) else sum(map(len, what)) if isinstance(what, list) else len(what or b"")
        if self.waiting_in >= self.room_in:
            self._count_passed()

    def _hand_over(self, whole: Any) -> None:
        self.waiting_out += sum(map(len, whole))

    def _end(self) -> None:
        if not self._status or self.waiting_out < self.due < NEVER:  # shorter than it said
            self._count(FAILED)
        else:
            self._count(self._status)

    def _die(self, error: BaseException) -> None:
        if error is self.broken:
            self._leave()
        elif not self.counted:
            self._count(FAILED)

    def _leave(self) -> None:
        if not self.counted:
            self._count(self._status or CLIENT_GONE, cut=True)

    def _count(self, status: int, cut: bool = False) -> None:
        """Count the request with the bytes that wait: once."""
        self.counted = True
        self.room_in = MIB
        increments, billable, proof = outcome(KINDS.get(self._method, "OTHER"), status, cut)
        account = self._account = self._whose()
        if self._credit is not None:
            self._settle(self._credit, account, billable)
        increments = with_bytes(increments, *self._take(), billable)
        if account is not None:
            self._meter.add(account, increments, self._proves(proof, status))
        self._status, self._increments = status, None  # it decides on bytes that pass hereafter

    def _count_passed(self) -> None:
        """Count the bytes that wait; before there is a status, as billable and as whose they seem."""
        status, account = self._status, self._account
        if account is None:
            if not status and may_be_s3(self.environ):
                self.room_in = NEVER  # whose it is stands in the answer
                return
            account = self._account = None if self.counted else self._whose()
            if account is None and not status:
                self.room_in = self.waiting_in + MIB  # it may be learned yet
                return
        bytes_in, bytes_out = self._take()
        if account is None:
            return
        if not status:
            billable, evidence = True, False
        elif self._increments is not None:  # PERF: bench/filter.py; what is below, known
            billable, evidence = True, account is not UNKNOWN
        else:
            _, billable, proof = outcome(KINDS.get(self._method, "OTHER"), status, False)
            evidence = self._proves(proof, status)
        # PERF: bench/filter.py; an upload's bytes come alone.
        increments = with_bytes((), bytes_in, bytes_out, billable) if bytes_out or not billable else (PASSED_IN, bytes_in)
        place = self._meter.add(account, increments, evidence)
        if not billable or place is None or self.counted:
            return
        credit = self._credit
        if credit is None or credit.place != place:
            credit = self._credit = Credit(account, place)
        credit.bytes_in += bytes_in
        credit.bytes_out += bytes_out

    def _take(self) -> Tuple[int, int]:
        """Return the bytes in and out that wait, which wait no longer. What answers a HEAD is on no client's wire."""
        bytes_in, bytes_out = self.waiting_in, self.waiting_out
        self.waiting_in = self.waiting_out = 0
        if self.due != NEVER:
            self.due -= bytes_out
        return bytes_in, 0 if self._method == "HEAD" else bytes_out

    def _settle(self, credit: Credit, account: Optional[str], billable: bool) -> None:
        """Move bytes that were counted as billable and are not, or are another account's after all."""
        if billable and credit.account == account:
            return
        moved = self._meter.add_at(credit.place, (UNBILLED_IN, credit.bytes_in, UNBILLED_OUT, credit.bytes_out))
        if moved and credit.account != account:
            self.waiting_in += credit.bytes_in
            self.waiting_out += credit.bytes_out

    def _whose(self) -> Optional[str]:
        environ = self.environ
        return whose(self._method, self._path, environ.get("PATH_INFO", ""), environ.get("swift.backend_path"), self._from_s3,
                     self._meter.prefixes)

    def _proves(self, proof: int, status: int) -> bool:
        """Tell whether the answer is evidence that the account is real."""
        if proof == NEVER_PROVES or not self._status or self._account is UNKNOWN:
            return False
        if proof == ALWAYS and status != 404:
            return True
        return self.environ is not None and proves(proof, self.environ, self._method, status, self._path, self._from_s3)
