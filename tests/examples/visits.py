"""What people do in the example, and what its cookie holds."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import Page, expect

from tests.browser.product import Mail, Product
from tests.support.nextjs import open_session, seal_session
from tollhouse import Tollhouse
from tollhouse.access.signing_key import ACCESS
from tollhouse.access.signing_keys import SigningKeys
from tollhouse.testing import make_settings

from .conftest import SECRET, App

COOKIE = "next-auth.session-token"  # with a number behind it where it is split


async def ask_in_the_app(page: Page, app: App, product: Product, address: str) -> Mail:
    """The mail that came of typing the address into the app's own field."""
    await page.goto(app.url)
    await page.get_by_label("E-mail address").fill(address)
    await page.get_by_role("button", name="Send me a link").click()
    await page.wait_for_url(f"{product.url}/auth/check-your-email")
    return await product.mail_to(address)


async def sign_in_to_the_app(page: Page, app: App, product: Product, address: str) -> None:
    """Sign in by the link, from the app's form to its account page."""
    mail = await ask_in_the_app(page, app, product, address)
    await page.goto(mail.link)
    await expect_app_account(page, app, address)


async def expect_app_account(page: Page, app: App, address: str) -> None:
    """The app's account page is there and knows the address."""
    await page.wait_for_url(f"{app.url}/account")
    await expect(page.locator("main")).to_contain_text(f"Signed in as {address}.")


async def access_token(page: Page, app: App) -> str:
    """What the app gives its own scripts."""
    reply = await page.request.get(f"{app.url}/api/token")
    assert reply.status == 200, await reply.text()
    return (await reply.json())["access_token"]


async def greet(page: Page, app: App, token: str) -> int:
    """The status of the app's protected route, with this token."""
    reply = await page.request.get(f"{app.url}/api/greeting", headers={"Authorization": f"Bearer {token}"})
    return reply.status


async def ask_tollhouse(product: Product, token: str) -> int:
    """The status of Tollhouse's own route, with this token."""
    reply = await product.client.get("/auth/whoami", headers={"Authorization": f"Bearer {token}"})
    return reply.status_code


async def id_token(page: Page, app: App) -> str:
    """The one piece of it that leaves the server: the hint that signing out passes on."""
    reply = await page.request.get(f"{app.url}/api/sign-out-url")
    (hint,) = parse_qs(urlsplit((await reply.json())["url"]).query)["id_token_hint"]
    return hint


async def take_session(page: Page, app: App) -> dict[str, str]:
    """The cookies of the app's session."""
    pairs = {each.get("name", ""): each.get("value", "") for each in await page.context.cookies(app.url)}
    taken = {name: pairs[name] for name in sorted(pairs) if name.startswith(COOKIE)}
    assert taken
    return taken


async def put_session(page: Page, app: App, taken: dict[str, str]) -> None:
    """Give a browser this session of the app, as a thief would; cookies know no ports."""
    await page.context.clear_cookies(name=re.compile(f"^{re.escape(COOKIE)}"))
    await page.context.add_cookies([{"name": name, "value": taken[name], "url": app.url} for name in taken])


async def change_tokens(page: Page, app: App, example: Path, **changes: Any) -> None:
    """Have the app's session hold other tokens; a change to None leaves one out."""
    tokens = open_session(example, "".join((await take_session(page, app)).values()), secret=SECRET)
    left = {name: value for name, value in (tokens | changes).items() if value is not None}
    await put_session(page, app, {COOKIE: seal_session(example, left, secret=SECRET)})


async def outlive(product: Product, token: str) -> str:
    """The same access token as it is a minute after its end, signed as Tollhouse signs."""
    assert product.data is not None
    body = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    claims |= {"iat": claims["iat"] - 3600, "exp": claims["iat"] - 60}
    secret = (product.data / "secret").read_text()
    database_url = f"sqlite:///{product.data}/tollhouse.db"
    settings = make_settings(url=product.url, mode="dev", secret=secret, database_url=database_url)
    async with Tollhouse(settings).opened() as run:
        return (await SigningKeys(run).signer(ACCESS)).sign(claims, typ="at+jwt")
