// One scenario over the resources of a billing integration, told to the official Node SDK: node scenario.mjs URL
import assert from "node:assert/strict";
import Stripe from "stripe";

const url = new URL(process.argv[2]);
const stripe = new Stripe("sk_test_sandbox", {
  host: url.hostname,
  port: url.port,
  protocol: "http",
  maxNetworkRetries: 3,
  telemetry: false,
});
const urls = { success_url: "https://example.com/ok", cancel_url: "https://example.com/no" };
const called = [];
stripe.on("response", (response) => called.push(`${response.method} ${response.path}`));

async function control(path, body = {}) {
  const reply = await fetch(new URL(`/control${path}`, url), {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.equal(reply.status, 200, `${path}: ${await reply.clone().text()}`);
  return reply.json();
}

async function refused(promise) {
  const error = await promise.then(
    () => assert.fail("this should have been refused"),
    (raised) => raised,
  );
  assert(error instanceof Stripe.errors.StripeError, String(error));
  return error;
}

// The catalogue.
const product = await stripe.products.create({ name: "Credits", metadata: { kind: "pack" } });
const pack = await stripe.prices.create({ product: product.id, currency: "usd", unit_amount: 1500 });
const plan = await stripe.prices.create({
  product: product.id,
  currency: "usd",
  unit_amount: 900,
  recurring: { interval: "month" },
});
const coupon = await stripe.coupons.create({ percent_off: 50, duration: "once" });
await stripe.promotionCodes.create({ promotion: { type: "coupon", coupon: coupon.id }, code: "HALF" });
const feature = await stripe.entitlements.features.create({ name: "Export", lookup_key: "export" });
await stripe.products.createFeature(product.id, { entitlement_feature: feature.id });

// A customer with a card.
const alice = await stripe.customers.create({ email: "alice@example.com", metadata: { user: "1" } });
const card = await stripe.paymentMethods.create({ type: "card", card: { token: "tok_visa" } });
await stripe.paymentMethods.attach(card.id, { customer: alice.id });
await stripe.customers.update(alice.id, { invoice_settings: { default_payment_method: card.id } });
await stripe.customers.createTaxId(alice.id, { type: "eu_vat", value: "DE123456789" });

// Checkout, paid without a browser.
const session = await stripe.checkout.sessions.create({
  mode: "payment",
  customer: alice.id,
  line_items: [{ price: pack.id, quantity: 2 }],
  ...urls,
});
assert.equal(session.payment_status, "unpaid");
await control(`/checkout/sessions/${session.id}/pay`, { card: "4242424242424242" });
const paid = await stripe.checkout.sessions.retrieve(session.id, { expand: ["payment_intent.latest_charge", "line_items"] });
assert.equal(paid.status, "complete");
assert.equal(paid.payment_status, "paid");
assert.equal(paid.payment_intent.latest_charge.amount, 3000);
assert.equal(paid.line_items.data.length, 1);
assert.equal((await stripe.events.list({ type: "checkout.session.completed" })).data[0].data.object.id, session.id);

// Money back, and a dispute.
const refund = await stripe.refunds.create({ payment_intent: paid.payment_intent.id, amount: 1000 });
assert.equal(refund.status, "succeeded");
const disputed = await stripe.paymentIntents.create({
  amount: 4000,
  currency: "usd",
  payment_method: "pm_card_createDispute",
  confirm: true,
  return_url: "https://example.com",
});
const [dispute] = (await stripe.disputes.list({ payment_intent: disputed.id })).data;
assert.equal((await stripe.disputes.close(dispute.id)).status, "lost");

// A declined card is an error with its reason.
const declined = await refused(
  stripe.paymentIntents.create({
    amount: 4000,
    currency: "usd",
    payment_method: "pm_card_visa_chargeDeclined",
    confirm: true,
    return_url: "https://example.com",
  }),
);
assert.equal(declined.type, "StripeCardError");
assert.equal(declined.decline_code, "generic_decline");
assert.equal(declined.payment_intent.status, "requires_payment_method");

// A subscription, its invoice, its entitlement.
const living = await stripe.subscriptions.create({
  customer: alice.id,
  items: [{ price: plan.id }],
  expand: ["latest_invoice.payments"],
});
assert.equal(living.status, "active");
assert.equal(living.latest_invoice.payments.data.length, 1);
assert.equal((await stripe.entitlements.activeEntitlements.list({ customer: alice.id })).data[0].lookup_key, "export");
await stripe.subscriptions.update(living.id, { cancel_at_period_end: true });
assert.equal((await stripe.subscriptions.cancel(living.id)).status, "canceled");

// An invoice by hand.
const invoice = await stripe.invoices.create({ customer: alice.id });
await stripe.invoiceItems.create({ customer: alice.id, invoice: invoice.id, amount: 700, currency: "usd" });
assert.equal((await stripe.invoices.finalizeInvoice(invoice.id)).status, "open");
assert.equal((await stripe.invoices.pay(invoice.id)).status, "paid");

// Setup, the portal, a test clock, a webhook endpoint.
const setup = await stripe.setupIntents.create({ customer: alice.id, payment_method: "pm_card_visa", confirm: true, return_url: "https://example.com" });
assert.equal(setup.status, "succeeded");
assert.match((await stripe.billingPortal.sessions.create({ customer: alice.id })).url, /^http/);
const clock = await stripe.testHelpers.testClocks.create({ frozen_time: 1_700_000_000 });
await stripe.testHelpers.testClocks.advance(clock.id, { frozen_time: 1_700_086_400 });
assert.equal((await stripe.testHelpers.testClocks.retrieve(clock.id)).status, "ready");
const endpoint = await stripe.webhookEndpoints.create({ url: "https://example.com/hook", enabled_events: ["*"] });
assert.match(endpoint.secret, /^whsec_/);
await stripe.webhookEndpoints.del(endpoint.id);

// Pages are followed to their end.
for (let number = 0; number < 12; number += 1) await stripe.customers.create({ name: `n${number}` });
const all = await stripe.customers.list({ limit: 5 }).autoPagingToArray({ limit: 100 });
assert.equal(all.length, 13);
assert.equal(new Set(all.map((each) => each.id)).size, 13);
const missing = await refused(stripe.customers.retrieve("cus_nobody"));
assert.equal(missing.code, "resource_missing");

// A retry after a broken connection finds what the first try made.
await control("/faults", { fault: "reset", when: "after", method: "POST", path: "/v1/products", times: 2 });
const once = await stripe.products.create({ name: "Only once" });
const same = (await stripe.products.list({ limit: 100 })).data.filter((each) => each.name === "Only once");
assert.deepEqual(same.map((each) => each.id), [once.id]);

console.log(`${called.length} calls`);
