"""To whom a line connects: every new connection is checked, by address and by certificate."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

import pytest

from tests.mail.server import Certificates, make_certificates
from tests.outbound.test_line import HANG_UP, HURRIED, SILENCE, YES, Lines, Receiver, fail, post
from tollhouse.outbound import Line, OutboundFailed, OutboundRefused, Reach


class Names:
    """A resolver that answers each question with the next answer, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def __call__(self, _host: str, _port: int) -> Sequence[str]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def trusting(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates.ca_file)


async def test_closing_a_line_ends_a_look_up_and_a_handshake(certificates: Certificates) -> None:
    looked_up = asyncio.Event()

    async def hang(_host: str, _port: int) -> Sequence[str]:
        looked_up.set()
        await asyncio.Event().wait()
        return []

    async with Receiver() as server:  # without TLS it waits for a head that can be read
        lines = [
            Line("https://slow.example/", Reach.PUBLIC, resolver=hang, tls=trusting(certificates)),
            Line(f"https://127.0.0.1:{server.port}/", Reach.CONFIGURED, tls=trusting(certificates)),
        ]
        posts = [asyncio.create_task(post(line)) for line in lines]
        await looked_up.wait()
        await server.has(open_now=1)
        for line, task in zip(lines, posts, strict=True):
            await asyncio.wait_for(line.aclose(), 1)
            assert isinstance(task.exception(), OutboundFailed)
        assert await server.has(open_now=0)


async def test_a_name_is_checked_for_every_new_connection_and_a_kept_one_goes_on(certificates: Certificates) -> None:
    async with Receiver([YES, YES, SILENCE], tls=certificates.elsewhere) as server, Lines() as lines:
        names = Names(["127.0.0.1"], ["169.254.169.254"])
        line = lines(server, Reach.PRIVATE, host="other.test", resolver=names, tls=trusting(certificates))
        assert [(await post(line)).body for _ in range(2)] == [b"yes", b"yes"]
        assert (names.asked, server.met) == (1, 1)
        over_the_kept_one = asyncio.create_task(post(line))
        await server.has(asked=3)
        with pytest.raises(OutboundRefused):
            await post(line)
        assert (names.asked, server.met, over_the_kept_one.done()) == (2, 1, False)


async def test_a_repeat_does_not_lead_past_the_check(certificates: Certificates) -> None:
    async with Receiver([YES, (b"", HANG_UP)], tls=certificates.elsewhere) as server, Lines() as lines:
        names = Names(["127.0.0.1"], ["127.0.0.1", "169.254.169.254"])
        line = lines(server, Reach.PRIVATE, host="other.test", resolver=names, tls=trusting(certificates))
        await post(line)
        assert await fail(line) == "address"
        assert server.met == 1


async def test_the_certificate_must_be_of_the_name_that_was_asked_for(certificates: Certificates) -> None:
    async with Receiver(tls=certificates.elsewhere) as server, Lines() as lines:
        for host in ("localhost", "127.0.0.1"):
            assert await fail(lines(server, host=host, tls=trusting(certificates))) == "tls"
        assert await fail(lines(server, host="localhost")) == "tls"
        assert server.bodies == []


async def test_a_handshake_that_never_ends_is_given_up_and_hung_up_on() -> None:
    async with Receiver() as server:
        line = Line(f"https://127.0.0.1:{server.port}/", Reach.CONFIGURED, limits=HURRIED)
        assert await fail(line) == "timeout"
        assert await server.has(open_now=0)
        await line.aclose()
