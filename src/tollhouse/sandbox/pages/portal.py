"""The billing portal: a customer's subscriptions, payment method, details and invoices."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from tollhouse.sandbox.errors import StripeError, missing
from tollhouse.sandbox.formats import EMAIL
from tollhouse.sandbox.pages import payment_form
from tollhouse.sandbox.pages.site import Form, Site, read_form, redirect, text_of
from tollhouse.sandbox.resources.portal import portal_actions as actions
from tollhouse.sandbox.state.world import HIDDEN
from tollhouse.sandbox.values import Obj, part

PATH: Final = "/portal/{id}"
ONE: Final = PATH + "/subscriptions/{subscription}"
INVOICES_MAX: Final = 24
QUANTITY: Final = re.compile(r"[0-9]{1,6}\Z")
# The page that each flow begins and ends at.
FLOWS: Final = {
    "payment_method_update": "/method",
    "customer_update": "/details",
    "subscription_cancel": "/subscriptions/{}/cancel",
    "subscription_update": "/subscriptions/{}",
    "subscription_update_confirm": "/confirm",
}


def add_routes(site: Site) -> None:
    """Register the portal's pages and what their forms do."""
    portal = Portal(site)
    site.get(PATH)(portal.show)
    site.get(PATH + "/method")(portal.show_method)
    site.post(PATH + "/method")(portal.change_method)
    site.get(PATH + "/details")(portal.show_details)
    site.post(PATH + "/details")(portal.change_details)
    site.get(PATH + "/confirm")(portal.show_confirmation)
    site.post(PATH + "/confirm")(portal.confirm)
    site.get(ONE)(portal.show_plans)
    site.post(ONE)(portal.change_plan)
    site.get(ONE + "/cancel")(portal.show_cancellation)
    site.post(ONE + "/cancel")(portal.cancel)
    site.post(ONE + "/keep")(portal.keep)


class Portal:
    """One session at a time, named by the address."""

    def __init__(self, site: Site) -> None:
        """Show the sessions of this site's sandbox."""
        self._site = site
        self._world = site.world

    async def show(self, request: Request) -> Response:
        """Show what there is, or begin the flow that the session was made for."""
        session = self._read(request)
        flow = session["flow"]
        if flow is not None and not part(session.get(HIDDEN)).get("is_done"):
            subscription = part(flow.get(flow["type"])).get("subscription", "")
            return redirect(f"/portal/{session['id']}" + FLOWS[flow["type"]].format(subscription))
        subscriptions = actions.list_subscriptions(self._world, session)
        invoices = self._world.every("invoice", customer=session["customer"])
        return self._page(
            "portal.html",
            session,
            subscriptions=subscriptions,
            products={price["id"]: self._name(price) for price in self._prices(subscriptions)},
            method=self._find_method(session, subscriptions),
            invoices=[each for each in invoices if each["status"] != "draft"][:INVOICES_MAX],
        )

    async def show_method(self, request: Request) -> Response:
        """Show the form for a new payment method."""
        session = self._read(request)
        failure = "The bank did not approve it." if request.query_params.get("redirect_status") == "failed" else ""
        if request.query_params.get("redirect_status") == "succeeded":
            return self._finish(session)
        return self._show_method(session, dict(request.query_params), failure=failure)

    async def change_method(self, request: Request) -> Response:
        """Set a payment method up, with 3-D Secure where the bank wants it."""
        form = await read_form(request)
        session = self._read(request)
        back = f"{self._world.url}/portal/{session['id']}/method"
        types = self._types()

        def save() -> Obj:
            method = payment_form.make_method(self._world, form, types, {})
            return actions.save_method(self._world, session, method, return_url=back)

        try:
            intent = self._site.act(save)
        except payment_form.FormErrorsFound as error:
            return self._show_method(session, form, errors=error.errors, status=422)
        except StripeError as error:
            return self._show_method(session, form, failure=str(error), status=error.status)
        if intent["status"] == "requires_action":
            return redirect(intent["next_action"]["redirect_to_url"]["url"])
        return self._finish(session)

    async def show_details(self, request: Request) -> Response:
        """Show the form for name and e-mail address."""
        session = self._read(request)
        customer = self._world.get("customer", session["customer"])
        return self._page("portal_details.html", session, form=customer, errors={})

    async def change_details(self, request: Request) -> Response:
        """Change them."""
        form = await read_form(request)
        session = self._read(request)
        told = {name: text_of(form, name) for name in ("name", "email") if name in form}
        try:
            payment_form.check_texts(form)
            if "email" in told and not EMAIL.match(told["email"]):
                raise payment_form.FormErrorsFound({"email": "Enter an e-mail address, as in name@example.com."})
        except payment_form.FormErrorsFound as error:
            return self._page("portal_details.html", session, status=422, form=form, errors=error.errors)
        return self._do(session, lambda: actions.change_details(self._world, session, told))

    async def show_plans(self, request: Request) -> Response:
        """Show the plans that a subscription can be changed to."""
        session, subscription = self._read_one(request)
        item = actions.find_item(subscription)
        offers = actions.list_offers(self._world, session, subscription)
        bounds = actions.find_quantities(self._world, session, item["price"])
        names = {price["id"]: self._name(price) for price in offers}
        context: dict[str, Any] = {"subscription": subscription, "item": item, "offers": offers, "names": names}
        return self._page("portal_plans.html", session, bounds=bounds, **context)

    async def change_plan(self, request: Request) -> Response:
        """Change to another price, or to another quantity of it."""
        form = await read_form(request)
        session, subscription = self._read_one(request)
        typed = text_of(form, "quantity")
        if typed and not QUANTITY.match(typed):
            raise StripeError("A quantity is a number.")
        quantity = int(typed) if typed else None
        price = text_of(form, "price")
        return self._do(session, lambda: actions.change_plan(self._world, session, subscription, price, quantity))

    async def show_confirmation(self, request: Request) -> Response:
        """Show the change that the session's flow asks to be confirmed."""
        session = self._read(request)
        flow = part(session["flow"]).get("subscription_update_confirm")
        if flow is None:
            return redirect(f"/portal/{session['id']}")
        changes = [
            (self._world.get("price", each["price"]), each.get("quantity")) for each in flow["items"] if each["price"]
        ]
        named = [(self._name(price), price, quantity) for price, quantity in changes]
        return self._page("portal_confirm.html", session, changes=named)

    async def confirm(self, request: Request) -> Response:
        """Make that change."""
        session = self._read(request)
        return self._do(session, lambda: actions.confirm_plan(self._world, session))

    async def show_cancellation(self, request: Request) -> Response:
        """Ask whether the subscription is to end."""
        session, subscription = self._read_one(request)
        feature = actions.find_features(self._world, session)["subscription_cancel"]
        item = actions.find_item(subscription)
        return self._page("portal_cancel.html", session, subscription=subscription, feature=feature, item=item)

    async def cancel(self, request: Request) -> Response:
        """End it."""
        form = await read_form(request)
        session, subscription = self._read_one(request)
        feedback = text_of(form, "feedback")
        details: Obj = {"feedback": feedback} if feedback else {}
        return self._do(session, lambda: actions.cancel(self._world, session, subscription, details))

    async def keep(self, request: Request) -> Response:
        """Take a cancellation back."""
        session, subscription = self._read_one(request)
        return self._do(session, lambda: actions.keep(self._world, session, subscription))

    def _do(self, session: Obj, function: Callable[[], Obj]) -> Response:
        self._site.act(function)
        return self._finish(session)

    def _finish(self, session: Obj) -> Response:
        """Lead on from something done: to the portal's first page, or where the session's flow says."""
        after = part(part(session["flow"]).get("after_completion"))
        if session["flow"] is not None:
            self._site.act(lambda: self._world.save(session | {HIDDEN: {"is_done": True}}))
        if after.get("type") == "redirect":
            return redirect(after["redirect"]["return_url"])
        if after.get("type") == "hosted_confirmation":
            text = part(after["hosted_confirmation"]).get("custom_message") or "Your change is made."
            on = (session["return_url"], "Back to the seller") if session["return_url"] else None
            return self._site.message("Done", text, on=on)
        return redirect(f"/portal/{session['id']}")

    def _read(self, request: Request) -> Obj:
        """Return the session. Raises `StripeError` 404."""
        id: str = request.path_params["id"]
        session = self._site.act(lambda: self._world.find(actions.KIND, id))
        if session is None:
            raise missing("portal session", id)
        return session

    def _read_one(self, request: Request) -> tuple[Obj, Obj]:
        session = self._read(request)
        return session, actions.find_subscription(self._world, session, request.path_params["subscription"])

    def _page(self, template: str, session: Obj, *, status: int = 200, **context: Any) -> Response:
        features = actions.find_features(self._world, session)
        customer = self._world.get("customer", session["customer"])
        common = {"session": session, "features": features, "customer": customer}
        return self._site.page(template, status=status, leads_out=True, **common, **context)

    def _show_method(
        self, session: Obj, form: Form, *, failure: str = "", errors: dict[str, str] | None = None, status: int = 200
    ) -> Response:
        types = self._types()
        context: dict[str, Any] = {"kinds": types, "chosen": payment_form.choose_type(form, types)}
        context |= {"examples": payment_form.list_examples(types), "form": form, "failure": failure}
        return self._page("portal_method.html", session, status=status, errors=errors or {}, **context)

    def _types(self) -> list[str]:
        return ["card"]

    def _find_method(self, session: Obj, subscriptions: list[Obj]) -> Obj | None:
        """Return what pays: the newest subscription's own method, or else the customer's."""
        customer = self._world.get("customer", session["customer"])
        own = [each["default_payment_method"] for each in subscriptions if each["default_payment_method"]]
        return self._world.find("payment_method", [*own, customer["invoice_settings"]["default_payment_method"]][0])

    def _prices(self, subscriptions: list[Obj]) -> list[Obj]:
        return [item["price"] for each in subscriptions for item in each["items"]["data"]]

    def _name(self, price: Obj) -> str:
        """Return what the price's product is called."""
        product = self._world.find("product", price["product"])
        return product["name"] if product is not None and not product.get("deleted") else price["product"]
