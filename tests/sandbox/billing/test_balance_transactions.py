"""What a customer owes, or is owed, change by change."""

from __future__ import annotations

from typing import Any

from tests.sandbox.conftest import START

from .office import DAY, Office


async def ledger(office: Office, customer: str, **params: Any) -> list[tuple[str, int, int]]:
    """Return the changes of a balance, the oldest first: what kind, by how much, to what."""
    found = await office.get(f"customers/{customer}/balance_transactions", **params)
    return [(each["type"], each["amount"], each["ending_balance"]) for each in reversed(found["data"])]


async def test_a_balance_that_is_set_is_an_adjustment(office: Office) -> None:
    customer = await office.customer(balance=-500)
    await office.post(f"customers/{customer}", balance=-200)
    await office.post(f"customers/{customer}", balance=-200, name="Alice")
    await office.post(f"customers/{customer}", name="Ann")
    assert await ledger(office, customer) == [("initial", -500, -500), ("adjustment", 300, -200)]
    assert await ledger(office, customer, limit=1) == [("adjustment", 300, -200)]
    assert await ledger(office, await office.customer()) == []


async def test_an_invoice_takes_from_the_balance_and_voided_gives_it_back(office: Office) -> None:
    customer = await office.customer(balance=-500)
    await office.post("invoiceitems", customer=customer, amount=2000)
    invoice = await office.post("invoices", customer=customer, pending_invoice_items_behavior="include")
    await office.post(f"invoices/{invoice['id']}/finalize")
    await office.post(f"invoices/{invoice['id']}/void")
    assert (await ledger(office, customer))[1:] == [
        ("applied_to_invoice", 500, 0), ("unapplied_from_invoice", -500, -500),
    ]  # fmt: skip
    newest = (await office.get(f"customers/{customer}/balance_transactions"))["data"][0]
    assert (newest["object"], newest["invoice"], newest["currency"]) == (
        "customer_balance_transaction",
        invoice["id"],
        "usd",
    )
    assert (newest["customer"], newest["created"], newest["credit_note"]) == (customer, START, None)


async def test_what_is_too_little_to_charge_is_owed(office: Office) -> None:
    customer = await office.customer()
    await office.post("invoiceitems", customer=customer, amount=40)
    invoice = await office.post("invoices", customer=customer, pending_invoice_items_behavior="include")
    await office.post(f"invoices/{invoice['id']}/finalize")
    assert await ledger(office, customer) == [("invoice_too_small", 40, 40)]


async def test_credit_is_applied_before_a_little_rest_is_owed(office: Office) -> None:
    customer = await office.customer(balance=-480)
    await office.post("invoiceitems", customer=customer, amount=500)
    invoice = await office.post("invoices", customer=customer, pending_invoice_items_behavior="include")
    final = await office.post(f"invoices/{invoice['id']}/finalize")
    assert (final["status"], final["amount_due"], final["ending_balance"]) == ("paid", 0, 20)
    assert (await ledger(office, customer, invoice=invoice["id"])) == [
        ("applied_to_invoice", 480, 0), ("invoice_too_small", 20, 20),
    ]  # fmt: skip
    await office.post("invoiceitems", customer=customer, amount=500)
    invoice = await office.post("invoices", customer=customer, pending_invoice_items_behavior="include")
    assert (await office.post(f"invoices/{invoice['id']}/finalize"))["amount_due"] == 520
    assert await ledger(office, customer, invoice=invoice["id"]) == [("applied_to_invoice", -20, 0)]


async def test_more_credit_than_charge_is_applied_to_the_balance(office: Office) -> None:
    customer = await office.customer()
    made = await office.subscribe(customer, await office.price(3100))
    office.advance(seconds=DAY)
    await office.delete(f"subscriptions/{made['id']}", prorate=True, invoice_now=True)
    assert await ledger(office, customer) == [("applied_to_invoice", -3000, -3000)]


async def test_one_change_is_found_by_its_customer_alone(office: Office) -> None:
    alice, bob = await office.customer(balance=-500), await office.customer(balance=-700)
    listed = (await office.get(f"customers/{alice}/balance_transactions"))["data"][0]
    found = await office.get(f"customers/{alice}/balance_transactions/{listed['id']}")
    assert found == listed
    await office.get(f"customers/{bob}/balance_transactions/{listed['id']}", reply=404)
    await office.get(f"customers/{alice}/balance_transactions/cbtxn_none", reply=404)
    await office.get("customers/cus_none/balance_transactions", reply=404)
    await office.get(f"customers/{alice}/balance_transactions", limit="many", reply=400)
