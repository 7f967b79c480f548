"""Checkout's page: what is bought, and the form to pay with."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from tollhouse.sandbox.errors import StripeError, missing
from tollhouse.sandbox.pages import checkout_form
from tollhouse.sandbox.pages.payment_form import FormErrorsFound, choose_type, list_examples, make_method, offered
from tollhouse.sandbox.pages.site import Form, Site, read_form, redirect, text_of
from tollhouse.sandbox.resources.checkout import checkout_buyer, checkout_completion, checkout_sessions, checkout_totals
from tollhouse.sandbox.state.world import HIDDEN
from tollhouse.sandbox.values import Obj, part

PATH: Final = "/checkout/{id}"
# Stripe holds the way back to the seller until the seller has heard of the payment, but not for longer.
HOLD_SECONDS_MAX: Final = 10.0
DECLINED: Final = "The payment did not go through."


def add_routes(site: Site) -> None:
    """Register Checkout's page and what its forms do."""
    page = CheckoutPage(site)
    site.get(PATH)(page.show)
    site.post(PATH)(page.pay)
    site.post(PATH + "/code")(page.change_code)
    site.get(PATH + "/return")(page.come_back)
    site.post(PATH + "/again")(page.begin_again)


class CheckoutPage:
    """One session at a time, named by the address."""

    def __init__(self, site: Site) -> None:
        """Show the sessions of this site's sandbox."""
        self._site = site

    async def show(self, request: Request) -> Response:
        """Show the form while the session is open, and else what became of it."""
        session = self._read(request)
        refused = "refused" in request.query_params
        failure = self._find_failure(session) or DECLINED if refused and session["status"] == "open" else ""
        return self._show(session, dict(request.query_params), failure=failure)

    async def pay(self, request: Request) -> Response:
        """Pay with what was typed in, and lead on to the seller, or to the bank for 3-D Secure."""
        form = await read_form(request)
        session = self._read(request)
        if session["status"] != "open":
            # A second click, or a second tab: the first one has paid, and this one arrives where it did.
            return await self._lead_on(session) if session["status"] == "complete" else self._show(session, form)
        try:
            session = self._site.act(lambda: self._pay(session["id"], form))
        except FormErrorsFound as error:
            return self._show(session, form, errors=error.errors, status=422)
        except StripeError as error:
            return self._show(self._read(request), form, failure=str(error), status=402)
        if session["status"] == "complete":
            return await self._lead_on(session)
        return redirect(self._challenge(session))

    async def change_code(self, request: Request) -> Response:
        """Redeem a promotion code, or take it back."""
        form = await read_form(request)
        session = self._read(request)
        code = text_of(form, "code")
        try:
            if "drop" in form:
                self._site.act(lambda: checkout_totals.drop_code(self._site.world, session))
            else:
                self._site.act(lambda: checkout_totals.apply_code(self._site.world, session, code))
        except StripeError as error:
            return self._show(self._read(request), form, errors={"code": str(error)}, status=422)
        return redirect(f"/checkout/{session['id']}")

    async def come_back(self, request: Request) -> Response:
        """Lead on from the bank's page: to the seller, or back to the form."""
        session = self._read(request)
        if session["status"] == "complete":
            return await self._lead_on(session)
        return redirect(f"/checkout/{session['id']}?refused")

    async def begin_again(self, request: Request) -> Response:
        """Open a new session in the place of one that expired."""
        expired = self._read(request)
        session = self._site.act(lambda: checkout_sessions.recover(self._site.world, expired))
        return redirect(f"/checkout/{session['id']}")

    def _read(self, request: Request) -> Obj:
        """Return the session as it is now. Raises `StripeError` 404."""
        id: str = request.path_params["id"]

        def find() -> Obj:
            session = self._site.world.find(checkout_sessions.KIND, id)
            if session is None:
                raise missing("checkout.session", id)
            return session

        return self._site.act(find)

    def _pay(self, id: str, form: Form) -> Obj:
        """Pay, all in one; what the buyer typed is read anew against the session as it is now."""
        world = self._site.world
        session = world.get(checkout_sessions.KIND, id)
        details = checkout_form.read(session, form)
        preview = checkout_form.preview(world, session, details)
        method: Obj | None = None
        if checkout_completion.needs_method(preview):
            billing = {name: details.get(name) for name in ("email", "name", "phone", "address")}
            method = make_method(world, form, session["payment_method_types"], billing)
        return checkout_sessions.pay(world, session, method, details=details)

    def _challenge(self, session: Obj) -> str:
        """Return where the buyer proves to the bank that it is them."""
        intent = self._intent(session)
        assert intent is not None, "an open session that was paid waits for its challenge"
        address: str = intent["next_action"]["redirect_to_url"]["url"]
        return address

    def _intent(self, session: Obj) -> Obj | None:
        return checkout_completion.find_intent(self._site.world, session)

    def _find_failure(self, session: Obj) -> str | None:
        """Return why the last attempt failed, in the bank's words."""
        intent = self._intent(session) or {}
        error: Obj | None = intent.get("last_payment_error") or intent.get("last_setup_error")
        return None if error is None else error["message"]

    async def _lead_on(self, session: Obj) -> Response:
        """Lead to the seller once the seller's webhooks have answered, or soon after."""
        deliveries = self._site.sandbox.deliveries
        await deliveries.settled(session["id"], types={"checkout.session.completed"}, seconds=HOLD_SECONDS_MAX)
        address = way_on(session)
        return self._show(session, {}) if address is None else redirect(address)

    def _show(
        self, session: Obj, form: Form, *, failure: str = "", errors: dict[str, str] | None = None, status: int = 200
    ) -> Response:
        if session["status"] == "complete":
            return self._show_complete(session)
        if session["status"] == "expired":
            return self._show_expired(session)
        types: list[str] = session["payment_method_types"]
        context: dict[str, Any] = {
            "session": session,
            "items": session[HIDDEN]["items"],
            "tax_id_kinds": checkout_form.TAX_IDS,
            "intro": checkout_form.describe(self._site.world, session),
            "form": form,
            "failure": failure,
            "errors": errors or {},
            "kinds": offered(types),
            "chosen": choose_type(form, types) if offered(types) else None,
            "examples": list_examples(types),
            "is_known": checkout_buyer.is_known(session),
            "needs_method": checkout_completion.needs_method(session),
            "rates": {
                each["shipping_rate"]: self._site.world.get("shipping_rate", each["shipping_rate"])
                for each in session["shipping_options"]
            },
        }
        return self._site.page("checkout.html", status=status, leads_out=True, **context)

    def _show_complete(self, session: Obj) -> Response:
        text = "There is nothing more to do."
        if session["mode"] == "payment":
            is_paid = session["payment_status"] != "unpaid"  # a bank debit is complete days before its money is there
            text = "The payment is made; it was not made twice." if is_paid else "The bank has not paid yet."
        address = way_on(session)
        on = None if address is None else (address, "Go on to the seller")
        return self._site.message("This checkout is complete", text, on=on)

    def _show_expired(self, session: Obj) -> Response:
        recovery: Obj = part(part(session["after_expiration"]).get("recovery"))
        can_recover = bool(recovery.get("url")) and recovery["expires_at"] > self._site.world.now()
        return self._site.page("expired.html", status=410, leads_out=True, session=session, can_recover=can_recover)


def way_on(session: Obj) -> str | None:
    """Return where a complete session leads, or None if it leads nowhere."""
    address: str | None = session["success_url"] or session.get("return_url")
    return None if address is None else address.replace("{CHECKOUT_SESSION_ID}", session["id"])
