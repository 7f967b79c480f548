import { findPerson } from "@/payments/store";
import { sayAmount } from "@/payments/words";
import type { Payment, Plan } from "@/payments/book";

function sayPayment({ currency, paid, refunded }: Payment): string {
  const parts = [
    paid && `${sayAmount(paid.amountMinor, currency)} for ${paid.product ?? "something else"}`,
    refunded && `${sayAmount(refunded.amountMinor, currency)} went back`,
  ];
  return parts.filter(Boolean).join(", ");
}

function sayPlan({ product, status, periodEnd }: Plan): string {
  return `${product ?? "A plan"}: ${status}, period until ${periodEnd.slice(0, 10)}`;
}

/** What this app knows by itself, for Tollhouse told it: no page of yours has to ask before it lets somebody in. */
export async function Payments({ userId }: { userId: string }) {
  const person = await findPerson(userId);
  const payments = Object.entries(person?.payments ?? {});
  const plans = Object.entries(person?.plans ?? {});
  return (
    <section>
      <h2>What this app was told</h2>
      <dl>
        <dt>Credits received</dt>
        <dd>{person?.creditsGranted ?? 0}</dd>
        {plans.map(([id, plan]) => (
          <div key={id}>
            <dt>Plan</dt>
            <dd>{sayPlan(plan)}</dd>
          </div>
        ))}
        {payments.map(([id, payment]) => (
          <div key={id}>
            <dt>Payment {id}</dt>
            <dd>{sayPayment(payment)}</dd>
          </div>
        ))}
      </dl>
      <p className="note">What was paid just now is here within seconds: reload this page.</p>
    </section>
  );
}
