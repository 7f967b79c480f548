"""What is done with invoices by request: finalized, paid, sent, voided. Source: docs.stripe.com/api/invoices."""

from __future__ import annotations

from tollhouse.sandbox.errors import StripeError, invalid, parameter_missing
from tollhouse.sandbox.resources.billing import dunning
from tollhouse.sandbox.resources.invoicing import invoices
from tollhouse.sandbox.resources.invoicing.invoice_operations import PATH
from tollhouse.sandbox.resources.payments import payment_methods
from tollhouse.sandbox.resources.registry import Params, operation
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj


@operation("POST", PATH + "/{id}/finalize")
def finalize(world: World, params: Params, /, *, id: str) -> Obj:
    """Finalize a draft; with `auto_advance` it is collected at once."""
    invoice = world.get("invoice", id)
    with world.within(invoice):
        is_automatic = params.get("auto_advance", invoice["auto_advance"])
        invoice = invoices.finalize(world, invoice)
        if invoice["status"] != "open":
            return invoice
        invoice = world.change(invoice, {"auto_advance": is_automatic})
        return dunning.collect(world, invoice) if is_automatic else invoice


@operation("POST", PATH + "/{id}/pay")
def pay(world: World, params: Params, /, *, id: str) -> Obj:
    """Pay an invoice; a 402 tells of a decline, or of an action that the customer has to take."""
    invoice = world.get("invoice", id)
    with world.within(invoice):
        if params.get("paid_out_of_band"):
            return invoices.pay_out_of_band(world, invoice)
        method = None
        named = params.get("payment_method") or params.get("source")
        if named:
            method = payment_methods.resolve(world, named, param="payment_method")
            if method["customer"] is None:
                method = payment_methods.attach(world, method, invoice["customer"])
        invoice = invoices.pay(world, invoice, method, off_session=params.get("off_session", True))
        intent = world.find("payment_intent", invoice[HIDDEN].get("payment_intent"))
        if intent is not None and intent["status"] == "requires_action":
            raise _needs_action(intent)
        return invoice


@operation("POST", PATH + "/{id}/send")
def send(world: World, params: Params, /, *, id: str) -> Obj:
    """Send an invoice to its customer (no mail leaves the sandbox); a draft is finalized first."""
    invoice = world.get("invoice", id)
    with world.within(invoice):
        if invoice["status"] == "draft":
            invoice = invoices.finalize(world, invoice)
        if invoice["collection_method"] != "send_invoice":
            raise invalid("You can only send invoices whose `collection_method` is `send_invoice`.")
        world.emit("invoice.sent", invoice)
        return invoice


@operation("POST", PATH + "/{id}/void")
def void(world: World, params: Params, /, *, id: str) -> Obj:
    """Void an open invoice."""
    invoice = world.get("invoice", id)
    with world.within(invoice):
        return invoices.void(world, invoice)


@operation("POST", PATH + "/{id}/mark_uncollectible")
def mark_uncollectible(world: World, params: Params, /, *, id: str) -> Obj:
    """Give an open invoice up."""
    invoice = world.get("invoice", id)
    with world.within(invoice):
        return invoices.mark_uncollectible(world, invoice)


@operation("POST", PATH + "/{id}/attach_payment")
def attach_payment(world: World, params: Params, /, *, id: str) -> Obj:
    """Count a payment intent towards an open invoice."""
    invoice = world.get("invoice", id)
    if not params.get("payment_intent"):
        raise parameter_missing("payment_intent")
    intent = world.get("payment_intent", params["payment_intent"], param="payment_intent")
    with world.within(invoice):
        return dunning.attach(world, invoice, intent)


def _needs_action(intent: Obj) -> StripeError:
    return StripeError(
        "This payment requires additional user action before it can be completed successfully. Payment can be completed"
        " using the PaymentIntent associated with the invoice. For more details see:"
        " https://stripe.com/docs/billing/subscriptions/overview#requires-action",
        status=402,
        type="card_error",
        code="invoice_payment_intent_requires_action",
        keeps_effects=True,
        payment_intent=intent,
    )
