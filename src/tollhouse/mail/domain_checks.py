"""What the DNS says of the From domain: SPF, DKIM and DMARC, without which mails end as spam."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final, Literal

from dns.asyncresolver import Resolver
from dns.exception import DNSException
from dns.resolver import NXDOMAIN, NoAnswer

LOOKUP_SECONDS_MAX: Final = 5.0

Level = Literal["ok", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing checked: how it stands, and what to do."""

    level: Level
    subject: str
    text: str


async def check_domain(domain: str, *, dkim_selectors: tuple[str, ...], resolver: Resolver) -> AsyncIterator[Finding]:
    """Yield what is found for a From domain; a DNS that does not answer is a warning, for mail may still work."""
    try:
        yield judge_spf(await _texts(resolver, domain))
        yield judge_dmarc(domain, await _dmarc_texts(resolver, domain))
        if not dkim_selectors:
            yield Finding("warning", "DKIM", "not checked: name its selector with --dkim-selector (SES shows three)")
        for selector in dkim_selectors:
            yield judge_dkim(selector, await _texts(resolver, f"{selector}._domainkey.{domain}"))
    except DNSException as error:
        yield Finding("warning", "DNS", f"{domain} could not be looked up ({type(error).__name__})")


async def _texts(resolver: Resolver, name: str) -> list[str]:
    """Return the TXT records of a name, following CNAMEs; none where there are none."""
    try:
        answer = await resolver.resolve(name, "TXT", lifetime=LOOKUP_SECONDS_MAX)
    except (NXDOMAIN, NoAnswer):
        return []
    return [b"".join(record.strings).decode("utf-8", "replace") for record in answer]


async def _dmarc_texts(resolver: Resolver, domain: str) -> list[str]:
    """Return the DMARC records of a domain or of the nearest parent that has some (RFC 7489, 6.6.3)."""
    labels = domain.split(".")
    for start in range(len(labels) - 1):
        texts = await _texts(resolver, "_dmarc." + ".".join(labels[start:]))
        if any(text.startswith("v=DMARC1") for text in texts):
            return texts
    return []


def judge_spf(texts: list[str]) -> Finding:
    """Judge the TXT records at the domain (RFC 7208)."""
    records = [text for text in texts if text.split(" ")[0].lower() == "v=spf1"]
    if not records:
        return Finding("warning", "SPF", "no record: add the TXT record that your mail provider names")
    if len(records) > 1:
        return Finding("failure", "SPF", "more than one record, so receivers ignore all of them: merge them into one")
    if "+all" in records[0].split() or "all" in records[0].split():
        return Finding("failure", "SPF", "the record lets everybody send for you: end it with ~all or -all")
    return Finding("ok", "SPF", "one record")


def judge_dmarc(domain: str, texts: list[str]) -> Finding:
    """Judge the DMARC records found (RFC 7489)."""
    records = [text for text in texts if text.startswith("v=DMARC1")]
    if not records:
        return Finding(
            "warning", "DMARC", f'no record: add TXT _dmarc.{domain} "v=DMARC1; p=none"; big receivers want one'
        )
    if len(records) > 1:
        return Finding("failure", "DMARC", "more than one record, so receivers ignore all of them")
    return Finding("ok", "DMARC", f"policy {tags_of(records[0]).get('p', 'missing')}")


def judge_dkim(selector: str, texts: list[str]) -> Finding:
    """Judge the key records of one selector (RFC 6376, 3.6.1)."""
    keys = [tags["p"] for tags in map(tags_of, texts) if "p" in tags]
    if not keys:
        return Finding("failure", "DKIM", f"no key at selector {selector}: publish what your mail provider names")
    if not keys[0]:
        return Finding("failure", "DKIM", f"the key at selector {selector} is revoked")
    return Finding("ok", "DKIM", f"a key at selector {selector}")


def tags_of(record: str) -> dict[str, str]:
    """Return the `name=value` tags of a DKIM or DMARC record."""
    pairs = (part.partition("=") for part in record.split(";") if "=" in part)
    return {name.strip(): value.strip() for name, _, value in pairs}
