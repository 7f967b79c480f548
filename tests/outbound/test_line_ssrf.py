"""The collected payloads of server-side request forgery, posted to over a line: none of them is called."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tests.support.testdata import require_testdata
from tollhouse.outbound import Line, OutboundRefused, Reach

CASES: list[str] = json.loads(require_testdata("security", "ssrf", "ssrf_urls.json").read_text())["cases"]
AS_HTTPS = [f"https://{url.partition('://')[2]}" for url in CASES if url.startswith(("http://", "https://"))]
INSIDE = ["169.254.169.254", "127.0.0.1", "::1", "10.0.0.1", "fd00:ec2::254", "::ffff:127.0.0.1"]


@pytest.mark.parametrize("address", INSIDE)
async def test_no_payload_is_posted_to(address: str) -> None:
    async def resolver(_host: str, _port: int) -> Sequence[str]:
        return [address]

    for url in [*CASES, *AS_HTTPS]:
        line = Line(url, Reach.PUBLIC, resolver=resolver)
        with pytest.raises(OutboundRefused):
            await line.post(b"{}", headers={})
        await line.aclose()
