"""Sending: one event to one endpoint, signed, and what its answer means."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from tollhouse.endpoints import closing, endpoints
from tollhouse.endpoints.bodies import ANSWER_BYTES_MAX, body_of, pause_asked, says_applied
from tollhouse.endpoints.endpoints import Endpoint
from tollhouse.endpoints.secrets import open_secrets
from tollhouse.endpoints.signing import Signer
from tollhouse.events import Event
from tollhouse.events.deliveries import Delivery
from tollhouse.events.handlers import FIND_EVENT
from tollhouse.events.outcomes import HOST, Answer, GiveUp, Retry, storable
from tollhouse.outbound import OutboundError, OutboundLimits, Reply
from tollhouse.outbound.line import Line
from tollhouse.runtime import Runtime

LIMITS: Final = OutboundLimits(total_seconds=15.0, connect_seconds=5.0, body_bytes_max=ANSWER_BYTES_MAX)
GONE: Final = 410
PAUSE_ASKED_MAX: Final = 86_400
REDIRECTED: Final = "It answered with a redirect, which is not followed."
# What a proxy says of an app that is down or overloaded: of the host, not of this event (RFC 9110, 15.6; RFC 6585, 4).
OF_HOST: Final = frozenset({429, 502, 503, 504})


class Sender:
    """Sends events to one endpoint, over connections that are kept."""

    def __init__(self, run: Runtime, endpoint: Endpoint) -> None:
        """Take the endpoint as it is now; one that changes gets a new sender."""
        self._run = run
        self._endpoint = endpoint
        secrets = open_secrets(run.keys, endpoint.name, endpoint.secrets, now_us=run.now_us)
        self._signer = Signer(secrets)
        self._line = Line(endpoint.url, endpoint.reach, limits=LIMITS)

    async def deliver(self, delivery: Delivery) -> Answer:
        """Return what the app answered to the event of a delivery; raise `Retry` or `GiveUp`."""
        event = await self._run.db.fetch_one(FIND_EVENT, event_id=delivery.event_id)
        if event is None:
            raise GiveUp("Its event is gone.")
        address = None
        if delivery.sealed is not None and self._endpoint.with_address:
            address = self._run.keys.open_address(delivery.sealed, delivery.id).decode()
        try:
            return await self.send(event, address=address)
        except Retry as error:
            if await self._is_over():  # disabled while this was under way: nobody would try again
                raise GiveUp(error.detail, answer=error.answer) from error
            raise

    async def _is_over(self) -> bool:
        found = await self._run.db.fetch_one(endpoints.FIND, wanted=self._endpoint.name)
        return found is None or found.disabled_at is not None

    async def send(self, event: Event, *, address: str | None = None) -> Answer:
        """Return what the app answered to an event; raise `Retry` or `GiveUp`."""
        body = body_of(event, address=address)
        headers = self._signer.headers(event.id, body, now_us=self._run.now_us) | {"content-type": "application/json"}
        try:
            reply = await self._line.post(body.encode(), headers=headers)
        except OutboundError as error:
            said = REDIRECTED if error.reason == "redirect" else error.detail
            raise Retry(HOST + said) from error
        return await self._judge(reply, answer_of(reply, without=address))

    async def _judge(self, reply: Reply, answer: Answer) -> Answer:
        if 200 <= reply.status < 300:
            return answer
        said = f"It answered {reply.status}."
        if reply.status == GONE:
            await closing.close(self._run, self._endpoint, because="It answered 410 Gone: it wants no more.")
            raise GiveUp(said, answer=answer)
        pause = min(pause_asked(reply.headers.get("retry-after"), now=datetime.now(UTC)), PAUSE_ASKED_MAX)
        raise Retry(HOST + said if reply.status in OF_HOST else said, answer=answer, pause_seconds=pause)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._line.aclose()


def answer_of(reply: Reply, *, without: str | None = None) -> Answer:
    """Return what is kept of a reply; an address that it repeats is taken out."""
    text = reply.body.decode(errors="replace")
    shown = text.replace(without, "[address]") if without else text
    return Answer(reply.status, storable(shown, ANSWER_BYTES_MAX), applied=says_applied(reply.body))
