"""What can be wrong with an endpoint."""

from __future__ import annotations

from tollhouse.errors import NotFound, RequestError


class EndpointUnknown(NotFound):
    """There is no such endpoint."""

    code = "endpoint_unknown"


class EndpointExists(RequestError):
    """There is an endpoint of this name already."""

    code = "endpoint_exists"
    status = 409


class EventUnknown(NotFound):
    """There is no such event of ours."""

    code = "event_unknown"


class ReceiptUnclear(RequestError):
    """Several endpoints got this event: say which one has applied it."""

    code = "receipt_unclear"
    status = 422
