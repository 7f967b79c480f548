"""A user's export tells which apps were given what, and no secret of theirs."""

from __future__ import annotations

import json

from tests.access.oidc.relying_party import CLIENTS, App
from tollhouse.access.exports import export
from tollhouse.testing import TestKit


async def test_what_clients_were_given_is_exported_and_nobody_else_s(migrated_database_url: str) -> None:
    async with TestKit(database_url=migrated_database_url, clients=CLIENTS) as kit:
        alice, bob = await kit.sign_in("alice@example.com"), await kit.sign_in("bob@example.com")
        tokens = await App(kit).tokens(alice, scope="openid offline_access")
        await App(kit).tokens(bob)
        found = await export(kit.toll.run, alice.user_id)
        (grant,) = found["grants"]
        assert (grant["client_id"], grant["session_id"]) == ("web", alice.session_id)
        assert grant["scope"] == "openid offline_access"
        assert not [token for token in tokens.values() if str(token) in json.dumps(found) and len(str(token)) > 40]
        assert await export(kit.toll.run, "usr_nobody") == {"grants": []}
