/** How many decimals Stripe counts for a currency, where it is not two: https://docs.stripe.com/currencies. */
const DECIMALS = new Map([
  ..."bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf".split(" ").map((name) => [name, 0] as const),
  ..."bhd jod kwd omr tnd".split(" ").map((name) => [name, 3] as const),
]);

/** A price as `GET /billing/products` has it. */
export interface Price {
  id: string;
  mode: "payment" | "subscription";
  unit_amount_minor: number;
  currency: string;
  interval: string | null;
  interval_count: number;
  credits: number;
  trial_days: number;
}

/** An amount as people read it: €9.00. */
export function sayAmount(amountMinor: number, currency: string): string {
  const digits = DECIMALS.get(currency) ?? 2; // Intl counts some currencies otherwise than Stripe
  const style = { style: "currency", currency, minimumFractionDigits: digits, maximumFractionDigits: digits } as const;
  return new Intl.NumberFormat("en", style).format(amountMinor / 10 ** digits);
}

/** What the button of a price says: what the click does, and what it costs. */
export function sayPrice(price: Price): [string, string] {
  const amount = sayAmount(price.unit_amount_minor, price.currency);
  const credits = `${price.credits.toLocaleString("en")} credits`;
  if (price.mode === "payment") return [price.credits ? `Buy ${credits}` : "Buy", amount];
  const every = price.interval_count === 1 ? `a ${price.interval}` : `every ${price.interval_count} ${price.interval}s`;
  const costs = price.credits ? `${amount} ${every}, ${credits}` : `${amount} ${every}`;
  return price.trial_days ? [`Try ${price.trial_days} days`, `then ${costs}`] : ["Subscribe", costs];
}
