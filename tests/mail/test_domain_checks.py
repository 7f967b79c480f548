"""The DNS checks of the From domain, against a real DNS server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import dns.message
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import pytest
from dns.asyncresolver import Resolver

from tollhouse.mail.domain_checks import Finding, check_domain

SPF = "v=spf1 include:amazonses.com -all"
DMARC = "v=DMARC1; p=reject"


class Zone(asyncio.DatagramProtocol):
    """Answers TXT questions from a table; a name that is not there does not exist."""

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.silent = False

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self.silent:
            return
        query = dns.message.from_wire(data)
        reply = dns.message.make_response(query)
        name = query.question[0].name
        texts = self.texts.get(name.to_text(omit_final_dot=True), [])
        if texts:
            quoted = [f'"{text}"' for text in texts]
            reply.answer.append(dns.rrset.from_text_list(name, 60, dns.rdataclass.IN, dns.rdatatype.TXT, quoted))
        self._transport.sendto(reply.to_wire(), addr)


@pytest.fixture
async def zone() -> AsyncIterator[tuple[Zone, Resolver]]:
    loop = asyncio.get_running_loop()
    transport, served = await loop.create_datagram_endpoint(Zone, local_addr=("127.0.0.1", 0))
    resolver = Resolver(configure=False)
    resolver.nameservers = ["127.0.0.1"]
    resolver.port = transport.get_extra_info("sockname")[1]
    yield served, resolver
    transport.close()


async def check(zone: tuple[Zone, Resolver], *selectors: str) -> dict[str, Finding]:
    found = check_domain("mail.acme.test", dkim_selectors=selectors, resolver=zone[1])
    return {finding.subject: finding async for finding in found}


async def test_a_well_kept_domain_passes(zone: tuple[Zone, Resolver]) -> None:
    zone[0].texts = {
        "mail.acme.test": ["site-verification=1", SPF],
        "_dmarc.acme.test": [DMARC],
        "abc._domainkey.mail.acme.test": ["v=DKIM1; k=rsa; p=MIGf"],
    }
    findings = await check(zone, "abc")
    assert {finding.level for finding in findings.values()} == {"ok"}
    assert findings["DMARC"].text == "policy reject"


async def test_a_bare_domain_is_told_what_to_add(zone: tuple[Zone, Resolver]) -> None:
    findings = await check(zone)
    assert {subject: finding.level for subject, finding in findings.items()} == dict.fromkeys(
        ("SPF", "DMARC", "DKIM"), "warning"
    )
    assert "_dmarc.mail.acme.test" in findings["DMARC"].text


@pytest.mark.parametrize("records", [[SPF, "v=spf1 -all"], ["v=spf1 +all"], ["v=spf1 all"]])
async def test_an_spf_record_that_protects_nothing_fails(zone: tuple[Zone, Resolver], records: list[str]) -> None:
    zone[0].texts = {"mail.acme.test": records}
    assert (await check(zone))["SPF"].level == "failure"


@pytest.mark.parametrize("records", [[], ["v=DKIM1; p="]])
async def test_a_missing_or_revoked_dkim_key_fails(zone: tuple[Zone, Resolver], records: list[str]) -> None:
    zone[0].texts = {"abc._domainkey.mail.acme.test": records}
    assert (await check(zone, "abc"))["DKIM"].level == "failure"


async def test_two_dmarc_records_fail(zone: tuple[Zone, Resolver]) -> None:
    zone[0].texts = {"_dmarc.mail.acme.test": [DMARC, "v=DMARC1; p=none"]}
    assert (await check(zone))["DMARC"].level == "failure"


async def test_a_dns_that_does_not_answer_is_only_a_warning(
    zone: tuple[Zone, Resolver], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tollhouse.mail.domain_checks.LOOKUP_SECONDS_MAX", 0.2)
    zone[0].silent = True
    findings = await check(zone)
    assert findings["DNS"].level == "warning"
