"""Two apps that sign people in: one next door, one on another site; and what they make a browser do."""

from __future__ import annotations

import base64
import hashlib
from urllib.parse import parse_qs, urlencode, urlsplit

from playwright.async_api import Page

from .neighbour import Neighbour
from .product import Product

VERIFIER = "v" * 43
SECRET = "of-the-app-next-door-in-these-tests-1"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
CLIENTS = """
[[clients]]
id = "web"
name = "Harbour Notes"
secret = "{secret}"
redirect_uris = ["{ours}/callback"]
sign_out_uris = ["{ours}/bye"]

[[clients]]
id = "calendar"
name = "Calendar Thing"
redirect_uris = ["{theirs}/cb"]
sign_out_uris = ["{theirs}/bye"]
first_party = false
"""


class Stranger(Neighbour):
    """An app on another site, which no setting names but its client's."""

    @property
    def url(self) -> str:
        return super().url.replace("localhost", "127.0.0.1")


def authorize(product: Product, client_id: str, redirect_uri: str, **other: str) -> str:
    asked = {"response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri, "scope": "openid email"}
    asked |= {"state": "af0ifjsldkj", "code_challenge": CHALLENGE, "code_challenge_method": "S256", **other}
    return f"{product.url}/oauth/authorize?{urlencode(asked)}"


async def led_by(page: Page, app: str, address: str) -> None:
    """Go there from a page of the app, as its button does."""
    await page.goto(app)
    await page.evaluate("(address) => { location.href = address }", address)
    await page.wait_for_url(lambda url: not url.startswith(app + "/") or "code=" in url)


async def post(page: Page, address: str) -> None:
    """Let a page send a form with what stands in the address."""
    await page.evaluate(
        """(address) => {
          const {origin, pathname, searchParams} = new URL(address);
          const form = Object.assign(document.createElement("form"), {method: "post", action: origin + pathname});
          for (const [name, value] of searchParams)
            form.append(Object.assign(document.createElement("input"), {name, value, type: "hidden"}));
          document.body.append(form);
          form.submit();
        }""",
        address,
    )


async def expect_code(page: Page, redirect_uri: str, product: Product, client_id: str) -> dict[str, str]:
    """The app has the browser back, with a code that works; returns its tokens."""
    await page.wait_for_url(lambda url: url.startswith(redirect_uri + "?"))
    told = {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}
    assert (told["state"], told["iss"]) == ("af0ifjsldkj", product.url)
    form = {"grant_type": "authorization_code", "code": told["code"], "redirect_uri": redirect_uri}
    form |= {"client_id": client_id, "code_verifier": VERIFIER, "client_secret": SECRET if client_id == "web" else ""}
    reply = await product.client.post("/oauth/token", data=form)
    assert reply.status_code == 200
    return reply.json()
