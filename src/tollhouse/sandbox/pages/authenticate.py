"""The bank's page of 3-D Secure: approve, or refuse."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from tollhouse.sandbox.errors import missing
from tollhouse.sandbox.pages.site import Site, read_form, redirect, text_of
from tollhouse.sandbox.resources.payments import payment_intents, setup_intents
from tollhouse.sandbox.values import Obj, part

PATH: Final = "/authenticate/{id}"


def add_routes(site: Site) -> None:
    """Register the page and what its buttons do."""

    def find(id: str) -> Obj:
        found = site.world.find("payment_intent", id) or site.world.find("setup_intent", id)
        if found is None:
            raise missing("payment_intent", id)
        return found

    def answer(id: str, *, approved: bool) -> Obj:
        intent = find(id)
        module = payment_intents if intent["object"] == "payment_intent" else setup_intents
        return module.answer_challenge(site.world, intent, approved=approved)

    @site.get(PATH)
    async def show(request: Request) -> Response:
        intent = site.act(lambda: find(request.path_params["id"]))
        if intent["status"] != "requires_action":
            return _done(site, intent, "")
        return site.page("authenticate.html", leads_out=True, intent=intent)

    @site.post(PATH)
    async def decide(request: Request) -> Response:
        form = await read_form(request)
        intent = site.act(lambda: find(request.path_params["id"]))
        if intent["status"] != "requires_action":
            return _done(site, intent, "")
        back = find_return_url(intent)
        approved = text_of(form, "answer") == "approve"
        intent = site.act(lambda: answer(intent["id"], approved=approved))
        return _done(site, intent, back)


def find_return_url(intent: Obj) -> str:
    """Return where the challenge leads back to, or an empty text."""
    address: str = part(part(intent["next_action"]).get("redirect_to_url")).get("return_url") or ""
    return address if urlsplit(address).scheme in {"http", "https"} else ""


def add_outcome(back: str, intent: Obj) -> str:
    """Return the address with the outcome that Stripe adds to it."""
    kind: str = intent["object"]
    is_done = intent["status"] in {"succeeded", "processing", "requires_capture"}
    told = {
        kind: intent["id"],
        f"{kind}_client_secret": intent["client_secret"],
        "redirect_status": "succeeded" if is_done else "failed",
    }
    parts = urlsplit(back)
    return parts._replace(query="&".join(filter(None, (parts.query, urlencode(told))))).geturl()


def _done(site: Site, intent: Obj, back: str) -> Response:
    if back:
        return redirect(add_outcome(back, intent))
    return site.message("Nothing to approve", "The bank has no question about this payment any more.")
