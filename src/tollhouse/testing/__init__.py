"""For your tests: a running Tollhouse with a database of its own, a mail catcher, a clock to turn, and browsers.

```python
from tollhouse.testing import TestKit

async def test_a_stranger_is_sent_away_and_alice_is_let_in():
    async with TestKit(app=app, toll=toll) as kit:
        assert (await kit.new_browser().get("/dashboard")).status_code == 401
        alice = await kit.sign_in("alice@example.com")
        assert (await alice.get("/dashboard")).status_code == 200
```

Where there is a till, its Stripe is a sandbox:

```python
async def test_alice_pays_and_has_her_credits():
    async with TestKit(app=app, toll=toll) as kit:
        alice = await kit.sign_in("alice@example.com")
        bought = (await alice.post("/stripe/checkout", json={"price": "credits-100"})).json()
        await kit.stripe.control(f"/checkout/sessions/{bought['checkout_session_id']}/pay", card="4242424242424242")
        await kit.settle()
        assert (await alice.get("/credits")).json()["available"] == 100
```

The sandbox is of use without Tollhouse too, in process or on a port of its own:

```python
from tollhouse.testing import ServedSandbox

def test_a_purchase_is_paid():
    with ServedSandbox() as stripe:
        session = buy(api_base=stripe.url, api_key=stripe.api_key)
        stripe.control(f"/checkout/sessions/{session['id']}/pay", {"card": "4242424242424242"})
```

`pytest_plugins = ["tollhouse.testing.fixtures"]` makes fixtures of both.
"""

from __future__ import annotations

from tollhouse.sandbox import Sandbox
from tollhouse.testing.kit import Browser, SignedInClient, TestKit, token_of
from tollhouse.testing.kit_settings import make_settings
from tollhouse.testing.stripe_sandbox import ServedSandbox, stripe_client

__all__ = [
    "Browser",
    "Sandbox",
    "ServedSandbox",
    "SignedInClient",
    "TestKit",
    "make_settings",
    "stripe_client",
    "token_of",
]
