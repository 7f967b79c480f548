"""The collected payloads of server-side request forgery: none of them is called, whatever its name resolves to."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tests.support.testdata import require_testdata
from tollhouse.outbound import Outbound, OutboundRefused, Reach

CASES: list[str] = json.loads(require_testdata("security", "ssrf", "ssrf_urls.json").read_text())["cases"]
AS_HTTPS = [f"https://{url.partition('://')[2]}" for url in CASES if url.startswith(("http://", "https://"))]
AS_HTTPS.append("https://make-1.2.3.4-rebind-169.254-169.254-rr.1u.ms/")
INSIDE = ["169.254.169.254", "127.0.0.1", "::1", "10.0.0.1", "fd00:ec2::254", "::ffff:127.0.0.1"]


def resolving_to(*addresses: str) -> Outbound:
    async def resolver(_host: str, _port: int) -> Sequence[str]:
        return addresses

    return Outbound(Reach.PUBLIC, resolver=resolver)


@pytest.mark.parametrize("url", [*CASES, *AS_HTTPS])
@pytest.mark.parametrize("address", INSIDE)
async def test_a_payload_is_refused_before_anything_is_connected(url: str, address: str) -> None:
    with pytest.raises(OutboundRefused):
        await resolving_to(address).request("GET", url)
