import { getCsrfToken } from "next-auth/react";

/** Tollhouse answers within ten seconds. */
const PATIENCE_MS = 15_000;
const SIGN_IN = "/?callbackUrl=/pricing";
/** Where this app takes the token for good, and its first page would lead straight back. */
const SIGN_IN_AGAIN = `${SIGN_IN}&error=SessionRequired`;

/** Where the browser goes next, or the `code` of what went wrong, as docs/payments.md has it. */
export type Outcome = { url: string } | { code: string };

/** Idempotency keys by price. A click after one that got no answer means the same purchase, so it has the same key. */
const keys = new Map<string, string>();

/** Begins a purchase of what the price is for; the buyer is whoever the access token says, never this request. */
export async function beginPurchase(tollhouse: string, price: string): Promise<Outcome> {
  try {
    return await begin(tollhouse, price);
  } catch (error) {
    console.error("There was no answer that can be read:", error);
    return { code: "unreachable" };
  }
}

async function begin(tollhouse: string, price: string): Promise<Outcome> {
  for (const renew of [false, true]) {
    const token = await fetchToken(renew);
    if (!token) return { url: SIGN_IN };
    const reply = await askForPage(tollhouse, price, token);
    if (reply.status === 401) continue; // the token has ended, or its session: once more with a new one
    if (reply.status >= 500) return { code: "unavailable" }; // it may have begun all the same: the key stays
    keys.delete(price); // an answer for good: the next click is another purchase
    return reply.json();
  }
  return { url: SIGN_IN_AGAIN };
}

/** The access token; with `renew` a new one, though the one before seems to be alive. */
async function fetchToken(renew: boolean): Promise<string | undefined> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  if (renew) {
    const body = JSON.stringify({ csrfToken: await getCsrfToken() });
    const headers = { "Content-Type": "application/json" };
    await fetch("/api/auth/session", { method: "POST", headers, body, signal }); // auth/options.ts exchanges it
  }
  const reply = await fetch("/api/token", { signal });
  return reply.ok ? (await reply.json()).access_token : undefined;
}

/** Asks Tollhouse itself, which lets the origins in its `TOLLHOUSE_APP_ORIGINS` do that from a browser. */
function askForPage(tollhouse: string, price: string, token: string): Promise<Response> {
  const key = keys.get(price) ?? crypto.randomUUID();
  keys.set(price, key);
  const [success_url, cancel_url] = ["/account", "/pricing"].map((path) => new URL(path, location.href).href);
  return fetch(`${tollhouse}/stripe/checkout`, {
    method: "POST",
    headers: { Authorization: `Bearer ${token}`, "Content-Type": "application/json", "Idempotency-Key": key },
    body: JSON.stringify({ price, success_url, cancel_url }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
}
