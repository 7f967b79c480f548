"use client";

import { useState } from "react";
import { type Price, sayPrice } from "@/payments/words";
import { usePending } from "../use-pending";
import { beginPurchase } from "./checkout";

/** A product as `GET /billing/products` has it. */
export interface Product {
  id: string;
  name: string;
  description: string | null;
  prices: Price[];
}

const NOT_NOW = "Paying is not possible just now. Nothing was charged. Please try again in a minute.";
const TROUBLES = new Map([
  ["already_subscribed", "You have this plan already."],
  ["idempotency_conflict", "That took too long. Please choose once more."],
  ["price_unknown", "This is not sold any more. Please reload this page."],
  ["purchase_expired", "That took too long. Please choose once more."],
]);

function Label({ price, isPending }: { price: Price; isPending: boolean }) {
  const [does, costs] = sayPrice(price);
  return (
    <>
      {isPending ? "One moment…" : does} <small>{costs}</small>
    </>
  );
}

/** What is sold, a button for each price. It leads to Stripe's page, and that back into this app. */
export function Offers({ products, tollhouse }: { products: Product[]; tollhouse: string }) {
  const [pending, setPending] = usePending<string>();
  const [trouble, setTrouble] = useState<string>();

  async function buy(price: string) {
    setPending(price);
    setTrouble(undefined);
    const outcome = await beginPurchase(tollhouse, price);
    if ("url" in outcome) return location.assign(outcome.url); // still under way: the buttons stay as they are
    setPending(undefined);
    setTrouble(outcome.code);
  }

  return (
    <>
      {trouble && (
        <p role="alert">
          {TROUBLES.get(trouble) ?? NOT_NOW}{" "}
          {trouble === "already_subscribed" && <a href={`${tollhouse}/account/billing`}>Change or end it</a>}
        </p>
      )}
      <div className="offers">
        {products.map(({ id, name, description, prices }) => (
          <section key={id} aria-labelledby={id}>
            <h2 id={id}>{name}</h2>
            {description && <p className="note">{description}</p>}
            {prices.map((price) => (
              <button key={price.id} disabled={pending !== undefined} onClick={() => buy(price.id)}>
                <Label price={price} isPending={pending === price.id} />
              </button>
            ))}
          </section>
        ))}
      </div>
    </>
  );
}
