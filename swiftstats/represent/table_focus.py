"""Tables of many accounts as FOCUS 1.2 cost and usage data in CSV: a row per account, step and billable figure that is not zero.

https://focus.finops.org/focus-specification/v1-2/: quantities and who used them are there; what needs a price or an invoice
(costs, currency, who issues the invoice) is null, since nothing is rated here. Moments are UTC.
"""

from __future__ import annotations

import json
from typing import Iterator

from swiftstats import periods
from swiftstats.names import text_of
from swiftstats.query.table import Stream
from swiftstats.query.table_header import TableHeader
from swiftstats.query.table_rows import Row
from swiftstats.represent.as_csv import CUT, cell
from swiftstats.represent.chunks import chunks

#: Figure: its unit, in the names that FOCUS has for units, and what is charged for.
METERS = {
    "bytes_in": ("B", "Bytes received from clients"),
    "bytes_out": ("B", "Bytes sent to clients"),
    "DELETE": ("Requests", "DELETE requests"),
    "GET": ("Requests", "GET requests"),
    "HEAD": ("Requests", "HEAD requests"),
    "OTHER": ("Requests", "Requests of other methods"),
    "POST": ("Requests", "POST requests"),
    "PUT": ("Requests", "PUT requests"),
    "byte_hours": ("B-Hours", "Bytes stored"),
}
#: The same in every row.
FIXED = {
    "ChargeCategory": "Usage", "ChargeFrequency": "Usage-Based", "PricingCategory": "Standard", "ProviderName": "OpenStack Swift",
    "PublisherName": "OpenStack Swift", "ServiceCategory": "Storage", "ServiceName": "OpenStack Swift",
    "ServiceSubcategory": "Object Storage", "ResourceType": "Account", "SubAccountType": "Account",
    "BillingAccountType": "Account",
}
#: What needs a price, or an invoice, and is null.
WITHOUT = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost", "ContractedUnitPrice", "ListUnitPrice", "BillingCurrency",
           "SkuPriceId", "InvoiceId", "InvoiceIssuerName")
#: The columns, in the alphabetical order of the specification.
COLUMNS = tuple(sorted((
    *FIXED, *WITHOUT, "BillingAccountId", "BillingAccountName", "BillingPeriodEnd", "BillingPeriodStart", "ChargeClass",
    "ChargeDescription", "ChargePeriodEnd", "ChargePeriodStart", "ConsumedQuantity", "ConsumedUnit", "PricingQuantity",
    "PricingUnit", "RegionId", "RegionName", "ResourceId", "ResourceName", "SkuId", "SkuMeter", "SkuPriceDetails",
    "SubAccountId", "SubAccountName", "Tags")))


def stream(answer: Stream) -> Iterator[bytes]:
    """Write all rows, in chunks; the line of titles goes at once."""
    yield (",".join(COLUMNS) + "\r\n").encode()
    yield from chunks(_lines(answer), cut=CUT)


def _lines(answer: Stream) -> Iterator[str]:
    header = answer.header
    ends = dict(zip(header.question.edges, header.question.edges[1:]))
    names = [column.name for column in header.question.figures]
    for row in answer.rows:
        of = _of(header, row, ends[row.time])
        for name, value in zip(names, row.values):
            if value and name in METERS:
                unit, description = METERS[name]
                # FOCUS wants a decimal there: a reader that guesses types from a CSV would take it for an integer.
                charge = {**of, "ChargeDescription": description, "ConsumedQuantity": str(value), "ConsumedUnit": unit,
                          "PricingQuantity": f"{value}.0", "PricingUnit": unit, "SkuId": name, "SkuMeter": description}
                yield ",".join([cell(charge.get(column, "")) for column in COLUMNS]) + "\r\n"


def _of(header: TableHeader, row: Row, end: int) -> dict[str, str]:
    """Return the cells that all charges of a row have."""
    account = "" if row.account is None else text_of(row.account)
    name = row.petname or account
    tags = {"complete": row.complete, **({} if row.server is None else {"server": row.server})}
    return {
        **FIXED, "BillingAccountId": account, "BillingAccountName": name, "SubAccountId": account, "SubAccountName": name,
        "ResourceId": account, "ResourceName": name, "Tags": json.dumps(tags),
        "BillingPeriodStart": periods.iso(header.question.begin), "BillingPeriodEnd": periods.iso(header.question.end),
        "ChargePeriodStart": periods.iso(row.time), "ChargePeriodEnd": periods.iso(end),
    }
