"""`tollhouse doctor`: checks what sign-in and payments need, and explains what is wrong."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from tollhouse.cli.running import as_json, print_records, settings_or_exit

if TYPE_CHECKING:
    from tollhouse.mail.domain_checks import Finding
    from tollhouse.settings import Settings

CLOCK_SKEW_SECONDS_MAX: Final = 5
REACH_SECONDS_MAX: Final = 5.0
MARKS: Final = {"ok": "ok     ", "warning": "warning", "failure": "FAILURE"}


@click.command()
@click.option("--send-test-mail", metavar="ADDRESS", help="Also send a mail there.")
@click.option(
    "--dkim-selector", "selectors", multiple=True, help="DKIM selector of the From domain; can be given again."
)
@as_json
def doctor(send_test_mail: str | None, selectors: tuple[str, ...], json_output: bool) -> None:  # noqa: FBT001
    """Check settings, database, URL, issuers, Stripe, mail and the From domain's DNS.

    Exits with 1 if sign-in or payments would break.

    \b
    Example:
      tollhouse doctor --dkim-selector abc123 --send-test-mail alice@example.com
    """
    settings = settings_or_exit()
    findings = asyncio.run(_collect(settings, send_test_mail, selectors))
    if json_output:
        print_records([asdict(finding) for finding in findings], json_output=True)
    else:
        for finding in findings:
            click.echo(f"{MARKS[finding.level]}  {finding.subject}: {finding.text}")
    sys.exit(any(finding.level == "failure" for finding in findings))


async def _collect(settings: Settings, address: str | None, selectors: tuple[str, ...]) -> list[Finding]:
    from tollhouse.cli.doctor_stripe import check_stripe
    from tollhouse.mail.domain_checks import Finding

    findings = [Finding("ok", "settings", "complete and safe")]
    checks = (_check_database(settings), _check_url(settings), _check_issuers(settings), check_stripe(settings))
    for check in (*checks, _check_mail(settings, address, selectors)):
        findings += [finding async for finding in check]
    return findings


async def _check_database(settings: Settings) -> AsyncIterator[Finding]:
    from tollhouse.app import Tollhouse
    from tollhouse.errors import TollhouseError
    from tollhouse.mail.domain_checks import Finding

    try:
        async with Tollhouse(settings).opened() as run:
            skew = abs(await run.db.now_us() / 1e6 - time.time())
            yield Finding("ok", "database", f"{run.db.dialect}, schema current, SECRET opens its keys")
    except TollhouseError as error:
        yield Finding("failure", "database", error.detail)
        return
    if skew > CLOCK_SKEW_SECONDS_MAX:
        yield Finding("warning", "clock", f"this machine is {skew:.0f} s off the database; the database decides")
    else:
        yield Finding("ok", "clock", "agrees with the database")


async def _check_url(settings: Settings) -> AsyncIterator[Finding]:
    import httpx

    from tollhouse.mail.domain_checks import Finding

    try:
        async with httpx.AsyncClient(timeout=REACH_SECONDS_MAX) as client:
            reply = await client.get(f"{settings.url}/health/live")
    except httpx.HTTPError as error:
        yield Finding("warning", "public URL", f"{settings.url} does not answer from here ({type(error).__name__})")
        return
    if reply.status_code == 200 and "x-request-id" in reply.headers:
        yield Finding("ok", "public URL", f"{settings.url} answers")
    else:
        yield Finding("warning", "public URL", f"something else answers at {settings.url} ({reply.status_code})")


async def _check_issuers(settings: Settings) -> AsyncIterator[Finding]:
    from tollhouse.access.issuers import Issuer
    from tollhouse.access.jwks import LIMITS
    from tollhouse.access.jwks_documents import KeyDocument
    from tollhouse.access.keysets import KeySetInvalid
    from tollhouse.mail.domain_checks import Finding
    from tollhouse.outbound import Outbound, OutboundError

    for issuer in map(Issuer.parse, settings.issuers):
        subject = f"issuer {issuer.name}"
        try:
            reply = await Outbound(issuer.reach, limits=LIMITS).request("GET", issuer.jwks_url)
            keys = KeyDocument.read(reply, None).keys.keys
        except (OutboundError, KeySetInvalid) as error:
            why = f"{error.detail} ({error.reason})" if isinstance(error, OutboundError) else error.detail
            yield Finding("failure", subject, f"its keys cannot be had from {issuer.jwks_url}: {why}")
            continue
        fitting = [key for key in keys if not key.algorithms.isdisjoint(issuer.algorithms)]
        if fitting:
            yield Finding("ok", subject, f"publishes {len(fitting)} usable key{'' if len(fitting) == 1 else 's'}")
        else:
            yield Finding("failure", subject, f"none of its keys is for {', '.join(issuer.algorithms)}")


async def _check_mail(settings: Settings, address: str | None, selectors: tuple[str, ...]) -> AsyncIterator[Finding]:
    from dns.asyncresolver import Resolver

    from tollhouse.errors import TollhouseError
    from tollhouse.identity import addresses
    from tollhouse.mail.address import Sender
    from tollhouse.mail.domain_checks import Finding, check_domain
    from tollhouse.mail.message import Mail
    from tollhouse.mail.smtp import SmtpSettings, SmtpTransport
    from tollhouse.signing.tokens import create_id

    if settings.smtp_url is None or settings.mail_from is None:
        yield Finding("ok", "mail", "not configured: nobody signs in here")
        return
    transport = SmtpTransport(SmtpSettings.parse(settings.smtp_url), settings.mail_from)
    try:
        await transport.check()
        yield Finding("ok", "mail server", "takes our login")
        if address is not None:
            text = f"This is a test mail from {settings.brand_name}. Mail works."
            message_id = create_id("tst", time.time_ns() // 1000)
            mail = Mail(addresses.parse(address), "Test mail", text, f"<p>{text}</p>", message_id)
            await transport.send(mail)
            yield Finding("ok", "test mail", "taken by the mail server; look whether it arrives, and not as spam")
    except TollhouseError as error:
        yield Finding("failure", "mail server", error.detail)
    finally:
        await transport.close()
    async for finding in check_domain(
        Sender.parse(settings.mail_from).domain, dkim_selectors=selectors, resolver=Resolver()
    ):
        yield finding
