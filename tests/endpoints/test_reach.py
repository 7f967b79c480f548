"""Where an endpoint may be: nowhere inside, whatever its URL says and whatever its name resolves to."""

from __future__ import annotations

import json
import ssl
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.endpoints.receiver import SECRET, Receiver
from tests.endpoints.rig import ALICE, declare, emit, open_house, told, tried
from tests.mail.server import make_certificates
from tests.support.testdata import require_testdata
from tollhouse.endpoints.declared import endpoint_problems
from tollhouse.outbound import Reach, Target
from tollhouse.outbound.line import Line
from tollhouse.settings_structures import EndpointSettings
from tollhouse.testing import make_settings

CASES: list[str] = json.loads(require_testdata("security", "ssrf", "ssrf_urls.json").read_text())["cases"]
INSIDE = ["169.254.169.254", "10.0.0.1", "::1", "127.0.0.1", "fd00:ec2::254", "::ffff:10.0.0.1"]


class Names:
    """A resolver that knows each name's address, and may be told another one."""

    def __init__(self, **known: str) -> None:
        self.known = known
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> Sequence[str]:
        self.asked.append(host)
        return [self.known[host.partition(".")[0]]]


def connect_by(names: Names, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
    """Have names looked up there."""
    monkeypatch.setattr("tollhouse.endpoints.sending.Line", partial(Line, resolver=names, **more))


def problems_with(url: str, *, is_private: bool = False) -> list[str]:
    """What the settings say of an endpoint there."""
    one = EndpointSettings(name="app", url=url, secret=(SECRET,), event_types=(), private_network=is_private)
    return list(endpoint_problems(make_settings().model_copy(update={"endpoints": (one,)})))


@pytest.mark.parametrize("is_private", [False, True])
def test_a_collected_payload_is_refused_at_the_start_or_looked_up(is_private: bool):
    names = set[str]()
    for url in CASES:
        if not problems_with(url, is_private=is_private):
            target = Target.parse(url, Reach.PRIVATE if is_private else Reach.CONFIGURED)
            assert not target.addresses or target.host == "localhost", url
            names.add(target.host)
    assert names == {"localhost", "62epax5fhvj3zzmzigyoe5ipkbn7fysllvges3a.302.r3dir.me"}


def test_a_private_network_is_reached_over_https_only_and_never_the_clouds_own_addresses():
    assert problems_with("https://10.0.0.1/hook", is_private=True) == []
    assert problems_with("https://[fd12::1]/hook", is_private=True) == []
    assert problems_with("https://10.0.0.1/hook") != []
    assert problems_with("http://10.0.0.1/hook", is_private=True) != []
    assert problems_with("http://app.internal/hook", is_private=True) != []
    assert problems_with("https://169.254.169.254/latest", is_private=True) != []
    assert problems_with("http://localhost:3000/hook") == []


async def test_a_name_that_leads_inside_is_not_called(receiver: Receiver, monkeypatch: pytest.MonkeyPatch):
    names = Names(**{f"n{number}": address for number, address in enumerate(INSIDE)})
    connect_by(names, monkeypatch)
    declared = [declare(f"https://{name}.example.com:{receiver.port}/", name=name) for name in names.known]
    async with open_house(None, *declared) as kit:
        await emit(kit, ALICE)
        await kit.settle()
        for name in names.known:
            (attempt,) = await tried(kit, name)
            assert attempt["reason"] == f"host: {name}.example.com is at an address that is not called from here."
            assert attempt["status"] is None
    assert sorted(names.asked) == sorted(f"{name}.example.com" for name in names.known)
    assert receiver.connections == 0


async def test_a_name_that_moves_inside_between_two_events_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    certificates = make_certificates(tmp_path)
    names = Names(other="127.0.0.1")
    connect_by(names, monkeypatch, tls=ssl.create_default_context(cafile=str(certificates.ca_file)))
    async with Receiver(tls=certificates.elsewhere) as receiver:
        app = declare(f"https://other.test:{receiver.port}/", private_network=True)
        async with open_house(None, app) as kit:
            await emit(kit, ALICE)
            await receiver.until(1)
            await kit.settle()
            assert [row["status"] for row in await told(kit)] == ["delivered"]
            await receiver.stop()  # no connection is kept
            await receiver.start()
            names.known["other"] = "169.254.169.254"
            await emit(kit, ALICE)
            await kit.settle()
            _, refused = await tried(kit)
            assert refused["reason"] == "host: other.test is at an address that is not called from here."
            assert len(receiver.arrivals) == receiver.connections == 1
