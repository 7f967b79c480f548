"""A real mail server on loopback that can be told to refuse, stall and hang up."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import warnings
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER = "postmaster-login"
PASSWORD = "correct horse/battery@staple"


@dataclass
class Certificates:
    """A CA, and server certificates it signed for this machine and for another."""

    ca_file: Path
    server: ssl.SSLContext
    elsewhere: ssl.SSLContext


@dataclass
class Received:
    """One mail as the server took it."""

    sender: str
    recipients: list[str]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)


@dataclass
class PostOffice:
    """An aiosmtpd server; `replies` maps MAIL, RCPT, DATA, END and EHLO to what is answered instead of yes."""

    tls: ssl.SSLContext | None = None
    implicit: bool = False
    offer_starttls: bool = True
    auth: bool = True
    replies: dict[str, str] = field(default_factory=dict[str, str])
    stall_seconds: float = 0.0
    hang_up_after_data: bool = False
    mails: list[Received] = field(default_factory=list[Received])
    opened: int = 0
    open_now: int = 0
    open_peak: int = 0
    logins: int = 0
    port: int = 0

    async def start(self) -> PostOffice:
        loop = asyncio.get_running_loop()
        self._protocols: list[_Protocol] = []
        self._server = await loop.create_server(
            self._make_protocol, "127.0.0.1", self.port, ssl=self.tls if self.implicit else None
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def stop(self) -> None:
        self._server.close()
        for protocol in self._protocols:
            protocol.hang_up()
        await self._server.wait_closed()
        await asyncio.sleep(0.01)

    def _make_protocol(self) -> _Protocol:
        starttls = self.tls if self.offer_starttls and not self.implicit else None
        with warnings.catch_warnings():
            # It counts only STARTTLS as TLS, and warns of a login over what is TLS from the first byte.
            warnings.simplefilter("ignore", UserWarning)
            protocol = _Protocol(
                self,
                hostname="mail.test",
                tls_context=starttls,
                auth_required=self.auth,
                auth_require_tls=self.auth and starttls is not None,
                authenticator=self._authenticate,
                loop=asyncio.get_running_loop(),
            )
        self._protocols.append(protocol)
        return protocol

    def _authenticate(self, _server: Any, _session: Any, _envelope: Any, _way: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.logins += 1
        good = data.login == USER.encode() and data.password == PASSWORD.encode()
        return AuthResult(success=good, handled=False)

    async def handle_EHLO(
        self, _server: Any, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [self.replies["EHLO"]] if "EHLO" in self.replies else responses

    async def handle_MAIL(
        self, _server: Any, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.stall_seconds:
            await asyncio.sleep(self.stall_seconds)
        if "MAIL" not in self.replies:
            envelope.mail_from = address
        return self.replies.get("MAIL", "250 OK")

    async def handle_RCPT(
        self, _server: Any, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if "RCPT" not in self.replies:
            envelope.rcpt_tos.append(address)
        return self.replies.get("RCPT", "250 OK")

    async def handle_DATA(self, server: _Protocol, _session: Session, envelope: Envelope) -> str:
        if self.hang_up_after_data:
            server.hang_up()
            return "421 gone"
        if "END" not in self.replies:
            assert isinstance(envelope.content, bytes)
            assert envelope.mail_from is not None
            self.mails.append(Received(envelope.mail_from, list(envelope.rcpt_tos), envelope.content))
        return self.replies.get("END", "250 2.0.0 taken")


class _Protocol(SMTP):
    def __init__(self, office: PostOffice, **options: Any) -> None:
        super().__init__(office, **options)
        self._office = office
        self._counted = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not self._counted:  # called a second time after STARTTLS
            self._counted = True
            self._office.opened += 1
            self._office.open_now += 1
            self._office.open_peak = max(self._office.open_peak, self._office.open_now)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._counted:
            self._counted = False
            self._office.open_now -= 1
        super().connection_lost(error)

    async def smtp_DATA(self, arg: str) -> None:
        if "DATA" in self._office.replies:
            await self.push(self._office.replies["DATA"])
            return
        await super().smtp_DATA(arg)

    def hang_up(self) -> None:
        if self.transport is not None:
            cast(asyncio.Transport, self.transport).abort()


async def serve_script(talk: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> asyncio.Server:
    """A server that says what `talk` writes, for what aiosmtpd is too well-behaved to do."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass  # the client hung up first, which is what is being tested
        finally:
            writer.transport.abort()

    return await asyncio.start_server(meet, "127.0.0.1", 0)


def make_certificates(folder: Path) -> Certificates:
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("Test CA")
    ca = (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    ca_file = folder / "ca.pem"
    ca_file.write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    return Certificates(
        ca_file, _server_context(folder, "localhost", key, name), _server_context(folder, "other.test", key, name)
    )


def _server_context(folder: Path, host: str, ca_key: ec.EllipticCurvePrivateKey, issuer: x509.Name) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    issuer_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    certificate = (
        _builder(_name(host), issuer, key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(issuer_id, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    path = folder / f"{host}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])
