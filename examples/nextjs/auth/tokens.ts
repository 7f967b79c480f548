import type { JWT } from "next-auth/jwt";
import { setting } from "./settings";

/** An access token is exchanged this long before it ends, so that none ends on its way. */
const EARLY_SECONDS = 30;
/** A request that left the browser with the cookie of before comes this late at most. */
const KEPT_MS = 10_000;
/** How long Tollhouse may take to answer. */
export const PATIENCE_MS = 5_000;

/** By refresh token: a refresh token works once, so requests that bring the same one share one exchange. */
const exchanges = new Map<string, Promise<JWT>>();

/** Whether the tokens should be exchanged now. */
export function isDue({ refreshToken, expiresAt = 0 }: JWT): boolean {
  return refreshToken !== undefined && Date.now() / 1000 > expiresAt - EARLY_SECONDS;
}

/** Whether the access token can still be used. Without that nobody is signed in, whatever else the cookie holds. */
export function isAlive({ accessToken, expiresAt = 0 }: JWT): boolean {
  return accessToken !== undefined && Date.now() / 1000 < expiresAt;
}

/** New tokens; `ended` where Tollhouse refuses; the old ones where it cannot be reached, for the next request to try. */
export async function refresh(token: JWT): Promise<JWT> {
  try {
    return await exchangeOnce(token);
  } catch (error) {
    console.error("The tokens could not be refreshed:", error);
    return token;
  }
}

function exchangeOnce(token: JWT): Promise<JWT> {
  const key = token.refreshToken ?? "";
  const running = exchanges.get(key);
  if (running) return running;
  const exchange = exchangeTokens(token);
  exchanges.set(key, exchange);
  exchange.then(
    () => setTimeout(() => exchanges.delete(key), KEPT_MS),
    () => exchanges.delete(key),
  );
  return exchange;
}

async function exchangeTokens(token: JWT): Promise<JWT> {
  const client = [setting("OIDC_CLIENT_ID"), setting("OIDC_CLIENT_SECRET")].map(encodeURIComponent).join(":");
  const reply = await fetch(`${setting("TOLLHOUSE_URL")}/oauth/token`, {
    method: "POST",
    headers: { Authorization: `Basic ${btoa(client)}` },
    body: new URLSearchParams({ grant_type: "refresh_token", refresh_token: token.refreshToken ?? "" }),
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  const body = await reply.json();
  if (body.error === "invalid_grant") return { ended: true, idToken: token.idToken }; // for signing out
  if (!reply.ok) throw new Error(`${reply.status} ${body.error}`);
  return {
    ...token,
    accessToken: body.access_token,
    expiresAt: Math.floor(Date.now() / 1000) + body.expires_in,
    refreshToken: body.refresh_token ?? token.refreshToken,
    idToken: body.id_token ?? token.idToken,
  };
}
