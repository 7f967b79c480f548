from __future__ import annotations

import asyncio

import pytest

from tests.mail.samples import ALICE, Connect, Start, fail, write_mail
from tests.mail.server import PASSWORD, Certificates, PostOffice, serve_script
from tollhouse.mail.errors import MailDeferred, MailInvalid
from tollhouse.mail.message import Mail

MODES = [("smtps", True), ("smtp+starttls", False)]


@pytest.mark.parametrize(("scheme", "implicit"), MODES)
async def test_a_mail_arrives_encrypted_and_authenticated(
    start: Start, connect: Connect, certificates: Certificates, scheme: str, implicit: bool
) -> None:
    office = await start(tls=certificates.server, implicit=implicit)
    transport = connect(office.port, scheme, password=PASSWORD)
    await transport.check()
    await transport.send(write_mail())
    (mail,) = office.mails
    assert (mail.sender, mail.recipients) == ("no-reply@acme.test", [ALICE])
    assert mail.message["Message-ID"] == "<out_01JD@acme.test>"
    assert office.logins == 2


async def test_a_server_without_tls_or_login_works_on_loopback(start: Start, connect: Connect) -> None:
    office = await start(auth=False)
    await connect(office.port).send(write_mail())
    assert len(office.mails) == 1


@pytest.mark.parametrize(("scheme", "implicit"), MODES)
async def test_a_wrong_password_is_the_operators_problem_and_is_tried_once(
    start: Start, connect: Connect, certificates: Certificates, scheme: str, implicit: bool
) -> None:
    office = await start(tls=certificates.server, implicit=implicit)
    error = await fail(connect(office.port, scheme, password="wrong horse"))
    assert isinstance(error, MailDeferred)
    assert (error.stage, error.smtp_code, error.operator_problem) == ("auth", 535, True)
    assert office.logins == 1
    with pytest.raises(MailDeferred, match="535"):
        await connect(office.port, scheme, password="wrong horse").check()


@pytest.mark.parametrize(("scheme", "implicit"), MODES)
async def test_an_untrusted_certificate_is_refused(
    start: Start, connect: Connect, certificates: Certificates, scheme: str, implicit: bool
) -> None:
    office = await start(tls=certificates.server, implicit=implicit)
    error = await fail(connect(office.port, scheme, password=PASSWORD, trusted=False))
    assert isinstance(error, MailDeferred)
    assert error.operator_problem
    assert "certificate is not trusted" in error.detail
    assert (office.logins, office.mails) == (0, [])


@pytest.mark.parametrize(("scheme", "implicit"), MODES)
async def test_a_certificate_for_another_host_is_refused(
    start: Start, connect: Connect, certificates: Certificates, scheme: str, implicit: bool
) -> None:
    office = await start(tls=certificates.elsewhere, implicit=implicit)
    error = await fail(connect(office.port, scheme, password=PASSWORD))
    assert error.operator_problem
    assert "certificate is not trusted" in error.detail
    assert (office.logins, office.mails) == (0, [])


async def test_where_starttls_is_stripped_nothing_is_sent(
    start: Start, connect: Connect, certificates: Certificates
) -> None:
    office = await start(tls=certificates.server, offer_starttls=False, auth=False)
    error = await fail(connect(office.port, "smtp+starttls", password=PASSWORD))
    assert (error.stage, error.operator_problem) == ("starttls", True)
    assert (office.logins, office.mails) == (0, [])


async def test_a_server_that_offers_no_login_is_the_operators_problem(start: Start, connect: Connect) -> None:
    office = await start(auth=False, replies={"EHLO": "250 mail.test"})
    error = await fail(connect(office.port, password=PASSWORD))
    assert (error.stage, error.operator_problem) == ("auth", True)


async def test_a_check_that_fails_leaves_no_connection_behind(connect: Connect) -> None:
    said: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        async for line in reader:
            said.append(line)
            writer.write(b"500 no\r\n" if line == b"NOOP\r\n" else b"250 yes\r\n")

    async with await serve_script(talk) as server:
        with pytest.raises(MailDeferred, match="500 at noop"):
            await connect(server.sockets[0].getsockname()[1]).check()
        await asyncio.sleep(0.02)
    assert said == [b"EHLO acme.test\r\n", b"NOOP\r\n", b"QUIT\r\n"]


async def test_a_server_that_is_down_is_deferred(start: Start, connect: Connect) -> None:
    office = await start(auth=False)
    await office.stop()
    error = await fail(connect(office.port))
    assert isinstance(error, MailDeferred)
    assert (error.stage, error.operator_problem) == ("connect", False)


async def test_a_mail_cut_off_after_data_may_have_been_sent_and_is_not_repeated(start: Start, connect: Connect) -> None:
    office = await start(auth=False)
    transport = connect(office.port)
    await transport.send(write_mail())  # so that the next goes over a kept connection, where repeating is tempting
    office.hang_up_after_data = True
    error = await fail(transport)
    assert isinstance(error, MailDeferred)
    assert (error.stage, error.may_have_been_sent) == ("data", True)
    assert (len(office.mails), office.opened) == (1, 1)


@pytest.mark.parametrize("limits", [{"command_seconds": 0.1}, {"timeout_seconds": 0.1}])
async def test_a_slow_server_is_not_waited_for(start: Start, connect: Connect, limits: dict[str, float]) -> None:
    office = await start(auth=False, stall_seconds=0.5)
    began = asyncio.get_running_loop().time()
    error = await fail(connect(office.port, **limits))
    assert asyncio.get_running_loop().time() - began < 0.4
    assert isinstance(error, MailDeferred)
    assert (error.stage, error.may_have_been_sent) == ("mail", False)
    office.stall_seconds = 0.0


async def test_a_silent_server_is_not_waited_for(connect: Connect) -> None:
    async def talk(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with await serve_script(talk) as server:
        port = server.sockets[0].getsockname()[1]
        error = await fail(connect(port, connect_seconds=0.1))
        with pytest.raises(MailDeferred):
            await connect(port, timeout_seconds=0.1).check()
    assert (error.stage, error.operator_problem) == ("connect", False)


async def test_a_list_of_recipients_never_reaches_the_server(start: Start, connect: Connect) -> None:
    office: PostOffice = await start(auth=False)
    mail = Mail(to=f"{ALICE},mallory@evil.test", subject="s", text="t", html="h", message_id="m")
    with pytest.raises(MailInvalid):
        await connect(office.port).send(mail)
    assert office.opened == 0
