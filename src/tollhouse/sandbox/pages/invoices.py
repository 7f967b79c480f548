"""The pages of an invoice and of a receipt."""

from __future__ import annotations

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from tollhouse.sandbox.errors import StripeError, missing
from tollhouse.sandbox.pages import payment_form
from tollhouse.sandbox.pages.site import Form, Site, read_form, redirect
from tollhouse.sandbox.resources.invoicing import invoices
from tollhouse.sandbox.resources.payments import payment_methods
from tollhouse.sandbox.state.world import HIDDEN
from tollhouse.sandbox.values import Obj

PATH: Final = "/invoices/{id}"


def add_routes(site: Site) -> None:
    """Register the pages, and what pays an invoice."""
    page = InvoicePage(site)
    site.get(PATH)(page.show)
    site.post(PATH)(page.pay)

    @site.get("/receipts/{id}")
    async def show_receipt(request: Request) -> Response:
        charge = site.act(lambda: site.world.get("charge", request.path_params["id"]))
        return site.page("receipt.html", charge=charge)


class InvoicePage:
    """One invoice at a time, named by the address."""

    def __init__(self, site: Site) -> None:
        """Show the invoices of this site's sandbox."""
        self._site = site
        self._world = site.world

    async def show(self, request: Request) -> Response:
        """Show the invoice, and while it is open the form to pay it."""
        refused = request.query_params.get("redirect_status") == "failed"
        return self._show(self._read(request), {}, failure="The bank did not approve it." if refused else "")

    async def pay(self, request: Request) -> Response:
        """Pay it with what was typed in; paying twice at once pays it once."""
        form = await read_form(request)
        invoice = self._read(request)
        address = f"/invoices/{invoice['id']}"
        if invoice["status"] != "open":
            return redirect(address)
        try:
            invoice = self._site.act(lambda: self._pay(invoice["id"], form))
        except payment_form.FormErrorsFound as error:
            return self._show(invoice, form, errors=error.errors, status=422)
        except StripeError as error:
            return self._show(self._read(request), form, failure=str(error), status=error.status)
        intent = self._find_intent(invoice)
        if intent is not None and intent["status"] == "requires_action":
            return redirect(intent["next_action"]["redirect_to_url"]["url"])
        return redirect(address)

    def _read(self, request: Request) -> Obj:
        id: str = request.path_params["id"]
        invoice = self._site.act(lambda: self._world.find("invoice", id))
        if invoice is None or invoice["status"] == "draft":
            raise missing("invoice", id)  # nobody sees a draft but the seller
        return invoice

    def _pay(self, id: str, form: Form) -> Obj:
        invoice = self._world.get("invoice", id)
        customer: str = invoice["customer"]
        method = payment_form.make_method(self._world, form, self._types(), {})
        method = payment_methods.attach(self._world, method, customer)
        invoice = invoices.pay(self._world, invoice, method, off_session=False)
        intent = self._find_intent(invoice)
        if intent is not None and intent["status"] == "requires_action":
            intent["next_action"]["redirect_to_url"]["return_url"] = f"{self._world.url}/invoices/{id}"
            self._world.save(intent)
        return invoice

    def _find_intent(self, invoice: Obj) -> Obj | None:
        return self._world.find("payment_intent", invoice[HIDDEN].get("payment_intent"))

    def _types(self) -> list[str]:
        return ["card", "us_bank_account"]

    def _show(
        self, invoice: Obj, form: Form, *, failure: str = "", errors: dict[str, str] | None = None, status: int = 200
    ) -> Response:
        types = self._types()
        intent = self._find_intent(invoice)
        context: dict[str, Any] = {"kinds": types, "chosen": payment_form.choose_type(form, types)}
        context |= {"examples": payment_form.list_examples(types), "form": form, "failure": failure}
        is_processing = intent is not None and intent["status"] == "processing"
        return self._site.page(
            "invoice.html",
            status=status,
            leads_out=True,
            invoice=invoice,
            lines=invoice["lines"]["data"],
            is_processing=is_processing,
            errors=errors or {},
            **context,
        )
