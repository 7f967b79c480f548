"""The client against real servers on loopback, most of which mean it ill."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.mail.server import Certificates, make_certificates
from tests.support.hostile_issuer import (
    Behaviour,
    HostileIssuer,
    Send,
    announce_a_gigabyte,
    break_off,
    dribble,
    header_of,
    redirect_to_itself,
    say_nothing,
    say_wait_without_end,
    send_a_bomb,
    send_crumbs_without_end,
    send_headers_without_end,
    send_without_end,
    serve,
)
from tollhouse.outbound import Outbound, OutboundError, OutboundFailed, OutboundLimits, OutboundRefused, Reach

HURRIED = OutboundLimits(total_seconds=0.5, connect_seconds=0.5)
SOCKET_BUFFERS_BYTES_MAX = 16_000_000  # what the kernel takes from a server though nobody reads it


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


class Names:
    """A resolver that answers each question with the next answer, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def talking(data: bytes) -> Behaviour:
    async def behave(_: str, send: Send) -> None:
        await send(data)

    return behave


def trusting(certificates: Certificates) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificates.ca_file)


async def test_a_reply_comes_whole_with_its_status_and_headers() -> None:
    async with HostileIssuer(serve(b'{"a":1}', status="404 Not Found", x_one="1", X_ONE="2")) as server:
        reply = await Outbound(Reach.CONFIGURED).request("GET", server.url("/a?b=c"), headers={"Accept": "text/x"})
    assert (reply.status, reply.body, reply.headers["x-one"]) == (404, b'{"a":1}', "1, 2")
    head = server.heads[0]
    assert head.startswith("GET /a?b=c HTTP/1.1\r\n")
    assert header_of(head, "host") == f"127.0.0.1:{server.port}"
    assert (header_of(head, "accept"), header_of(head, "accept-encoding")) == ("text/x", "identity")


async def test_a_body_is_sent_as_it_is() -> None:
    async with HostileIssuer(serve(b"", status="204 No Content")) as server:
        reply = await Outbound(Reach.CONFIGURED).request("POST", server.url(), body=b'{"id":"out_1"}')
        assert (await Outbound(Reach.CONFIGURED).request("POST", server.url())).status == 204
    assert (reply.status, server.bodies) == (204, [b'{"id":"out_1"}', b""])


async def test_localhost_is_found_on_whichever_family_it_listens() -> None:
    async with HostileIssuer(serve(b"yes")) as server:
        reply = await Outbound(Reach.CONFIGURED).request("GET", server.url(host="localhost"))
    assert reply.body == b"yes"


async def test_proxies_of_the_environment_and_cookies_of_a_reply_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    client = Outbound(Reach.CONFIGURED)
    async with HostileIssuer(serve(b"yes", set_cookie="a=b")) as server:
        for _ in range(2):
            assert (await client.request("GET", server.url())).body == b"yes"
        assert header_of(server.heads[1], "cookie") is None


HOSTILE = [
    (announce_a_gigabyte, "too_large"),
    (send_without_end, "too_large"),
    (send_crumbs_without_end, "too_large"),
    (say_wait_without_end, "too_large"),
    (send_headers_without_end, "protocol"),
    (redirect_to_itself, "redirect"),
    (dribble, "timeout"),
    (say_nothing, "timeout"),
    (send_a_bomb, "encoding"),
    (break_off, "protocol"),
    (talking(b"SSH-2.0-OpenSSH_9.9\r\n"), "protocol"),
    (talking(b""), "protocol"),
    (talking(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!"), "protocol"),
    (talking(b"HTTP/1.1 200 OK\r\ncontent-length: " + b"9" * 5000 + b"\r\n\r\n"), "protocol"),
    (talking(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\n"), "too_large"),
    (talking(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffffffffffffffffff\r\n"), "protocol"),
    (talking(b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n"), "protocol"),
    (talking(b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\n\r\nx"), "encoding"),
    (talking(b"HTTP/1.1 999999 OK\r\n\r\n"), "protocol"),
    (talking(b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"), "protocol"),
]


@pytest.mark.parametrize(("behaviour", "reason"), HOSTILE)
async def test_a_hostile_server_costs_little_time_and_memory(behaviour: Behaviour, reason: str) -> None:
    async with HostileIssuer(behaviour) as server:
        limits = HURRIED if reason == "timeout" else OutboundLimits()
        client = Outbound(Reach.CONFIGURED, limits=limits)
        started = time.monotonic()
        tracemalloc.start()
        try:
            with pytest.raises(OutboundError) as failed:
                await client.request("GET", server.url())
            _, peak_bytes = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert failed.value.reason == reason
        assert time.monotonic() - started < limits.total_seconds + 1
        assert server.asked == 1
        assert server.bytes_sent < SOCKET_BUFFERS_BYTES_MAX
        assert peak_bytes < 8_000_000
        assert await server.hung_up(), "the connection is given back"


async def test_a_body_at_the_limit_is_taken_and_one_byte_more_is_not() -> None:
    limits = OutboundLimits(body_bytes_max=1000)
    async with HostileIssuer(serve(b"x" * 1000)) as server:
        client = Outbound(Reach.CONFIGURED, limits=limits)
        assert len((await client.request("GET", server.url())).body) == 1000
        for too_much in (serve(b"x" * 1001), talking(b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1001)):
            server.behaviour = too_much
            with pytest.raises(OutboundError) as failed:
                await client.request("GET", server.url())
            assert failed.value.reason == "too_large"


async def test_a_server_that_is_down_and_a_name_that_is_not_known_are_told_apart() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))  # bound, and not listening
        with pytest.raises(OutboundFailed) as failed:
            await Outbound(Reach.CONFIGURED).request("GET", f"http://127.0.0.1:{held.getsockname()[1]}/")
    assert failed.value.reason == "connect"

    async def unknown(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    for resolver in (unknown, Names([])):
        with pytest.raises(OutboundFailed) as failed:
            await Outbound(resolver=resolver).request("GET", "https://nowhere.example/secret")
        assert failed.value.reason == "resolve"
        assert "secret" not in str(failed.value)


async def test_a_resolver_that_hangs_is_given_up_with_the_call() -> None:
    async def hang(_host: str, _port: int) -> Sequence[str]:
        await asyncio.sleep(3600)
        return []

    with pytest.raises(OutboundError) as failed:
        await Outbound(limits=HURRIED, resolver=hang).request("GET", "https://slow.example/")
    assert failed.value.reason == "timeout"


async def test_the_certificate_must_be_of_the_name_that_was_asked_for(certificates: Certificates) -> None:
    async with HostileIssuer(serve(b"yes"), tls=certificates.elsewhere) as server:  # its certificate says other.test
        names = Names(["127.0.0.1"], ["169.254.169.254"])
        client = Outbound(Reach.PRIVATE, resolver=names, tls=trusting(certificates))
        assert (await client.request("GET", server.url(host="other.test"))).body == b"yes"
        assert names.asked == ["other.test"], "asked once: what is connected to is what was checked"
        with pytest.raises(OutboundRefused):
            await client.request("GET", server.url(host="other.test"))
        for wrong in ("localhost", "127.0.0.1"):
            with pytest.raises(OutboundFailed) as failed:
                await client.request("GET", server.url(host=wrong))
            assert failed.value.reason == "tls"
        assert server.asked == 1


async def test_an_authority_that_nobody_knows_is_not_believed(certificates: Certificates) -> None:
    async with HostileIssuer(serve(b"yes"), tls=certificates.server) as server:
        with pytest.raises(OutboundFailed) as failed:
            await Outbound(Reach.CONFIGURED).request("GET", server.url(host="localhost"))
        assert failed.value.reason == "tls"
        assert server.asked == 0


async def test_a_server_that_never_ends_its_handshake_is_given_up_and_hung_up_on() -> None:
    async with HostileIssuer(serve(b"yes")) as server:  # without TLS it waits for a request that can be read
        with pytest.raises(OutboundError) as failed:
            await Outbound(Reach.CONFIGURED, limits=HURRIED).request("GET", f"https://127.0.0.1:{server.port}/")
        assert failed.value.reason == "timeout"
        assert await server.hung_up()
        assert server.asked == 0


async def test_a_name_rebound_to_this_machine_is_refused_and_nothing_is_connected(certificates: Certificates) -> None:
    async with HostileIssuer(serve(b"yes"), tls=certificates.elsewhere) as server:
        for reach in (Reach.PUBLIC, Reach.CONFIGURED):
            client = Outbound(reach, resolver=Names(["127.0.0.1"]), tls=trusting(certificates))
            with pytest.raises(OutboundRefused):
                await client.request("GET", server.url(host="other.test"))
        assert server.asked == 0


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1"])
async def test_a_name_with_one_public_and_one_private_address_is_refused(inside: str) -> None:
    for answers in (["1.1.1.1", inside], [inside, "1.1.1.1"]):
        with pytest.raises(OutboundRefused):
            await Outbound(resolver=Names(answers)).request("GET", "https://rebinding.example/")


@pytest.mark.parametrize("behaviour", [send_crumbs_without_end, send_without_end])
async def test_what_comes_encrypted_is_counted_as_well(certificates: Certificates, behaviour: Behaviour) -> None:
    async with HostileIssuer(behaviour, tls=certificates.server) as server:
        with pytest.raises(OutboundError) as failed:
            await Outbound(Reach.CONFIGURED, tls=trusting(certificates)).request("GET", server.url(host="localhost"))
        assert failed.value.reason == "too_large"


async def test_an_address_that_takes_no_connection_costs_one_try(certificates: Certificates) -> None:
    async with HostileIssuer(serve(b"yes"), tls=certificates.elsewhere) as server:
        names = Names(["::1", "127.0.0.2", "127.0.0.1"])
        client = Outbound(Reach.PRIVATE, resolver=names, tls=trusting(certificates))
        assert (await client.request("GET", server.url(host="other.test"))).body == b"yes"


async def test_calls_at_once_do_not_meet() -> None:
    async def echo(head: str, send: Send) -> None:
        await serve(head.split(" ")[1].encode())(head, send)

    async with HostileIssuer(echo) as server:
        client = Outbound(Reach.CONFIGURED)
        replies = await asyncio.gather(*(client.request("GET", server.url(f"/{number}")) for number in range(50)))
    assert [reply.body for reply in replies] == [f"/{number}".encode() for number in range(50)]


async def test_a_call_that_is_cancelled_hangs_up() -> None:
    async with HostileIssuer(say_nothing) as server:
        task = asyncio.create_task(Outbound(Reach.CONFIGURED).request("GET", server.url()))
        await asyncio.sleep(0.1)
        assert (server.asked, server.open_now) == (1, 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await server.hung_up()


@pytest.mark.parametrize("headers", [{"x": "a\r\nb: c"}, {"x y": "a"}])
async def test_a_header_that_would_split_the_request_is_not_sent(headers: dict[str, str]) -> None:
    async with HostileIssuer(serve(b"yes")) as server:
        with pytest.raises(OutboundFailed):
            await Outbound(Reach.CONFIGURED).request("GET", server.url(), headers=headers)
        assert server.asked == 0


def test_a_client_is_used_in_one_loop_after_another(tmp_path: Path) -> None:
    client = Outbound(Reach.CONFIGURED)

    async def ask() -> bytes:
        async with HostileIssuer(serve(b"yes")) as server:
            return (await client.request("GET", server.url())).body

    assert [asyncio.run(ask()) for _ in range(2)] == [b"yes", b"yes"]
