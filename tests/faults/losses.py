"""What a fault cost: what clients saw and the store has not, held against what was recorded as lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from swiftstats.demo.processes import DemoError, wait_for
from tests.faults.table import Fault, Loss
from tests.support.cluster import Asker
from tests.support.load import Seen

if TYPE_CHECKING:
    from tests.faults.harness import Harness

#: Requests of every kind.
REQUESTS = ("GET", "PUT", "HEAD", "POST", "DELETE", "OTHER", "Denied", "Server_Errors")


def check(harness: Harness, fault: Fault, accounts: dict[str, Seen], began: int) -> None:
    """What was lost is recorded, to the byte where it can be known, and answers over it say so."""
    for one in harness.hosts:
        one.flush()
    missing, recorded = _missing(harness, accounts), _recorded(harness, began)

    def is_recorded() -> bool:
        missing.update(_missing(harness, accounts))
        recorded.update(_recorded(harness, began))
        if fault.loss is Loss.NAMED:
            return bool(recorded["records"])
        return all(least <= recorded[what] <= most for what, (least, most) in missing.items())

    if not any(most for _, most in missing.values()):
        harness.costs[fault.name] = "nothing was lost: all of it had been shipped"
        return
    try:
        wait_for(is_recorded, seconds=fault.recovery_seconds, what="the record")
    except DemoError:
        raise AssertionError(f"{fault.name}, seed {harness.seed}: missing {missing}, recorded {recorded}:"
                             f" {harness.losses(began - 1)}\n" + "\n".join(one.flusher.tail() for one in harness.hosts)) from None
    asker = Asker(harness.site, harness.site.token, harness.begin, harness.end)
    header, _ = asker.json(next(iter(accounts)))
    assert header.get("Incomplete"), f"{fault.name}: a loss that no answer shows: {harness.losses(began - 1)}"
    harness.costs[fault.name] = (f"{missing['requests'][0]} to {missing['requests'][1]} requests are missing, "
                                 f"{recorded['records']} records say {recorded['requests']}")


def _missing(harness: Harness, accounts: dict[str, Seen]) -> dict[str, tuple[int, int]]:
    """Return the least and the most that is lost of requests and bytes: what clients saw less what the store has."""
    stored = {account: harness.stored(account) for account in accounts}
    found = {}
    for what, titles in (("requests", REQUESTS), ("bytes_in", ("Bytes_In", "Unbilled_Bytes_In")),
                         ("bytes_out", ("Bytes_Out", "Unbilled_Bytes_Out"))):
        have = sum(stored[account][title] for account in accounts for title in titles)
        least = sum(seen.finished[title] for seen in accounts.values() for title in titles)
        # Of a request that was cut off each title says one; it was one of them at most.
        open_ended = sum(max(seen.unfinished[title] for title in titles) for seen in accounts.values())
        found[what] = (max(least - have, 0), max(least + open_ended - have, 0))
    return found


def _recorded(harness: Harness, since: int) -> dict[str, int]:
    """Return how many losses were recorded since a moment, and what those that know it say was not counted."""
    losses = [loss for loss in harness.losses(since - 1) if loss.end > since]
    counted = [loss for loss in losses if loss.kind == "uncounted"]
    return {"records": len(losses), "requests": sum(loss.requests for loss in counted),
            "bytes_in": sum(loss.bytes_in for loss in counted), "bytes_out": sum(loss.bytes_out for loss in counted)}
