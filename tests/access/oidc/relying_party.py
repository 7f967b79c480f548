"""An app that signs people in through the product, as its server does it: by the door, with what a browser brings."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import httpx

from tollhouse.settings_structures import ClientSettings
from tollhouse.testing import Browser, TestKit

URL = "https://toll.example.com"
CALLBACK = "https://app.example.com/callback"
SIGNED_OUT = "https://app.example.com/bye"
WEB_SECRET = "the-web-app-keeps-this-one-to-itself-1"
OTHER_SECRET = "the-other-app-keeps-this-to-itself-22"
NAVIGATION = {"accept": "text/html", "sec-fetch-site": "cross-site", "sec-fetch-dest": "document"}
NAVIGATION |= {"referer": "https://app.example.com/"}
OURS = {"accept": "text/html", "sec-fetch-site": "same-origin", "origin": URL}


def client(**given: Any) -> ClientSettings:
    """A client as it stands in tollhouse.toml."""
    return ClientSettings.model_validate(given)


CLIENTS = (
    client(
        id="web",
        name="Harbour Notes",
        secret=WEB_SECRET,
        redirect_uris=(CALLBACK, CALLBACK + "?kind=two"),
        sign_out_uris=(SIGNED_OUT,),
        scopes=("notes:read", "notes:write"),
    ),
    client(id="phone", name="Pocket Notes", redirect_uris=("http://127.0.0.1:7777/back",)),
    client(
        id="stranger",
        name="Calendar Thing",
        secret=OTHER_SECRET,
        redirect_uris=("https://calendar.example.net/cb",),
        first_party=False,
    ),
    client(
        id="patient",
        name="Patient",
        secret=OTHER_SECRET,
        redirect_uris=("https://patient.example.net/cb",),
        refresh_grace_seconds=20,
    ),
)


def challenge_of(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


@dataclass
class App:
    """One client; `auth` says how it proves who it is."""

    kit: TestKit
    id: str = "web"
    secret: str | None = WEB_SECRET
    redirect_uri: str = CALLBACK
    asks: bool = False  # the person is asked, once in each session
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    state: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def parameters(self, **other: Any) -> dict[str, str]:
        """An authorization request; what is None is left out."""
        usual = {
            "response_type": "code",
            "client_id": self.id,
            "redirect_uri": self.redirect_uri,
            "scope": "openid email",
            "state": self.state,
            "nonce": "n-0S6_WzA2Mj",
            "code_challenge": challenge_of(self.verifier),
            "code_challenge_method": "S256",
        }
        return {name: str(value) for name, value in {**usual, **other}.items() if value is not None}

    async def authorize(self, browser: Any, headers: dict[str, str] | None = None, **other: Any) -> httpx.Response:
        """Send a browser to the product."""
        return await browser.get("/oauth/authorize", params=self.parameters(**other), headers=headers or NAVIGATION)

    async def code(self, browser: Any, **other: Any) -> str:
        """The code that a signed-in browser brings back."""
        reply = await self.authorize(browser, **other)
        if self.asks and "consent_session" in fields_of(reply):
            reply = await browser.post("/oauth/authorize", data={**fields_of(reply), "consent": "yes"}, headers=OURS)
        found = answer_of(reply)
        assert "code" in found, found
        assert found["state"] == self.state
        assert found["iss"] == URL
        return found["code"]

    async def token(self, **fields: Any) -> httpx.Response:
        """Ask the token endpoint, with the secret by Basic where there is one."""
        return await self.post("/oauth/token", **fields)

    async def post(self, path: str, **fields: Any) -> httpx.Response:
        """Post a form to one of the product's endpoints, proved as this client."""
        server = self.kit.new_browser()
        form = {name: value for name, value in fields.items() if value is not None}
        if self.secret is None:
            return await server.post(path, data={"client_id": self.id, **form})
        return await server.post(path, data=form, headers={"authorization": basic(self.id, self.secret)})

    async def redeem(self, given: str, **other: Any) -> httpx.Response:
        """Exchange a code."""
        usual = {"grant_type": "authorization_code", "code": given, "redirect_uri": self.redirect_uri}
        return await self.token(**{**usual, "code_verifier": self.verifier, **other})

    async def refresh(self, token: str, **other: Any) -> httpx.Response:
        """Exchange a refresh token."""
        return await self.token(grant_type="refresh_token", refresh_token=token, **other)

    async def tokens(self, browser: Any, **other: Any) -> dict[str, Any]:
        """The tokens for whoever is signed in there."""
        reply = await self.redeem(await self.code(browser, **other))
        assert reply.status_code == 200, reply.text
        return reply.json()

    async def userinfo(self, access_token: str) -> httpx.Response:
        """Ask who it is."""
        headers = {"authorization": f"Bearer {access_token}"}
        return await self.kit.new_browser().get("/oauth/userinfo", headers=headers)


def phone(kit: TestKit) -> App:
    """A client without a secret, at an address that any program of the machine could take: so people are asked."""
    return App(kit, "phone", None, "http://127.0.0.1:7777/back", asks=True)


def stranger(kit: TestKit) -> App:
    """A client of somebody else's, which people must agree to."""
    return App(kit, "stranger", OTHER_SECRET, "https://calendar.example.net/cb")


def patient(kit: TestKit) -> App:
    """A client that may ask again for a lost reply."""
    return App(kit, "patient", OTHER_SECRET, "https://patient.example.net/cb")


def basic(client_id: str, secret: str) -> str:
    pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
    return "Basic " + base64.b64encode(pair.encode()).decode()


def target_of(reply: httpx.Response) -> str:
    """Where a reply leads, by redirect or by the page that goes on by itself."""
    if reply.status_code == 303:
        return reply.headers["location"]
    assert reply.status_code == 200, reply.text
    found = re.search(r'http-equiv="refresh" content="0;url=([^"]+)"', reply.text)
    assert found is not None, reply.text
    return html.unescape(found[1])


def answer_of(reply: httpx.Response) -> dict[str, str]:
    """What the client is told."""
    return {name: values[0] for name, values in parse_qs(urlsplit(target_of(reply)).query).items()}


def fields_of(reply: httpx.Response) -> dict[str, str]:
    """The hidden fields of a page's form."""
    found = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', reply.text)
    return {name: html.unescape(value) for name, value in found}


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, unchecked."""
    return json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def header_of(token: str) -> dict[str, Any]:
    """What a token's header says."""
    return json.loads(base64.urlsafe_b64decode(token.partition(".")[0] + "=="))


def next_of(reply: httpx.Response) -> str:
    """Where a sign-in page was told to lead."""
    parts = urlsplit(reply.headers["location"])
    assert f"{parts.scheme}://{parts.netloc}{parts.path}" == URL + "/auth/sign-in"
    return parse_qs(parts.query)["next"][0]


async def sign_in_and_follow(kit: TestKit, browser: Browser, email: str, following: str) -> httpx.Response:
    """Sign in by the link of a mail, and go where it leads as a browser does."""
    asked = await browser.ask_for_link(email, next=following)
    asked.raise_for_status()
    mail = await kit.mail_to(email)
    assert mail.link is not None
    form = {"token": mail.link.partition("#")[2]}
    entered = await browser.post("/auth/callback", data=form, headers={"accept": "text/html"})
    assert entered.status_code == 303, entered.text
    return await browser.get(
        entered.headers["location"], headers={"accept": "text/html", "sec-fetch-site": "same-origin"}
    )
