from __future__ import annotations

import asyncio

import pytest

from tests.mail.samples import Connect, Start, write_mail
from tests.mail.server import PASSWORD, Certificates, serve_script
from tollhouse.mail.errors import MailDeferred

MODES = [("smtps", True), ("smtp+starttls", False)]


async def test_a_kept_connection_carries_the_next_mails_until_its_share_is_done(
    start: Start, connect: Connect, certificates: Certificates
) -> None:
    office = await start(tls=certificates.server, implicit=True)
    transport = connect(office.port, "smtps", password=PASSWORD, mails_per_connection_max=5)
    for _ in range(12):
        await transport.send(write_mail())
    assert (len(office.mails), office.opened, office.logins) == (12, 3, 3)


async def test_an_idle_connection_is_closed(start: Start, connect: Connect) -> None:
    office = await start(auth=False)
    transport = connect(office.port, idle_seconds=0.05)
    for _ in range(2):
        await transport.send(write_mail())
        assert office.open_now == 1
        await asyncio.sleep(0.15)
        assert office.open_now == 0
    assert office.opened == 2


@pytest.mark.parametrize(("scheme", "implicit"), MODES)
async def test_a_mail_goes_out_after_the_server_restarted(
    start: Start, connect: Connect, certificates: Certificates, scheme: str, implicit: bool
) -> None:
    office = await start(tls=certificates.server, implicit=implicit)
    transport = connect(office.port, scheme, password=PASSWORD)
    await transport.send(write_mail())
    await office.stop()
    await office.start()
    await transport.send(write_mail())
    assert len(office.mails) == 2


@pytest.mark.parametrize("last_words", [b"421 4.4.2 idle too long\r\n", b"", None])
async def test_a_kept_connection_found_dead_is_replaced_once(connect: Connect, last_words: bytes | None) -> None:
    """The server hangs up in the moment the next mail comes: with a word, without, or by saying nothing more."""
    taken: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        async for line in reader:
            if taken and len(taken) == 1 and line.startswith(b"MAIL") and not greeted_again:
                greeted_again.append(True)
                if last_words is None:
                    await reader.read()
                writer.write(last_words or b"")
                return
            if line == b"DATA\r\n":
                writer.write(b"354 go on\r\n")
                taken.append(await reader.readuntil(b"\r\n.\r\n"))
            writer.write(b"250 yes\r\n")

    greeted_again: list[bool] = []
    async with await serve_script(talk) as server:
        transport = connect(server.sockets[0].getsockname()[1], command_seconds=0.2)
        await transport.send(write_mail())
        await transport.send(write_mail())
        await transport.close()
    assert (len(taken), greeted_again) == (2, [True])


async def test_fifty_at_once_never_open_more_than_the_limit(start: Start, connect: Connect) -> None:
    office = await start(auth=False)
    transport = connect(office.port, connections_max=3, mails_per_connection_max=7)
    await asyncio.gather(*(transport.send(write_mail(to=f"user{number}@acme.test")) for number in range(50)))
    assert {mail.recipients[0] for mail in office.mails} == {f"user{number}@acme.test" for number in range(50)}
    assert len(office.mails) == 50
    assert office.open_peak <= 3


async def test_waiting_for_a_connection_has_an_end(start: Start, connect: Connect) -> None:
    office = await start(auth=False, stall_seconds=0.2)
    transport = connect(office.port, connections_max=1, queue_seconds=0.05)
    first = asyncio.create_task(transport.send(write_mail()))
    await asyncio.sleep(0)
    with pytest.raises(MailDeferred) as caught:
        await transport.send(write_mail())
    assert caught.value.stage == "queue"
    await first


async def test_a_cancelled_mail_leaves_no_half_spoken_connection_behind(start: Start, connect: Connect) -> None:
    office = await start(auth=False)
    transport = connect(office.port, connections_max=1)
    await transport.send(write_mail())
    office.stall_seconds = 0.1
    sending = asyncio.create_task(transport.send(write_mail()))
    await asyncio.sleep(0.05)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    office.stall_seconds = 0.0
    await transport.send(write_mail(to="bob@acme.test"))
    assert office.mails[-1].recipients == ["bob@acme.test"]


async def test_closing_lets_go_of_every_connection(start: Start, connect: Connect) -> None:
    office = await start(auth=False)
    transport = connect(office.port)
    await asyncio.gather(*(transport.send(write_mail()) for _ in range(4)))
    assert office.open_now > 1
    await transport.close()
    await asyncio.sleep(0.02)
    assert office.open_now == 0
    with pytest.raises(MailDeferred):
        await transport.send(write_mail())
