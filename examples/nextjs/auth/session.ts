import { headers } from "next/headers";
import { NextRequest } from "next/server";
import { getToken, type JWT } from "next-auth/jwt";
import { setting } from "./settings";
import { isAlive } from "./tokens";

/**
 * The person's tokens as the cookie holds them, for pages and routes; null for whoever has none.
 *
 * Only `accessToken` means "signed in". It is left out once it has ended: because there is no refresh token, because
 * Tollhouse could not be reached, or because proxy.ts does not run before this page.
 *
 * It only reads. `getServerSession` would run the jwt callback, which may refresh; but a page cannot set cookies, and
 * the new refresh token would be lost. Refreshing is for proxy.ts.
 */
export async function readTokens(): Promise<JWT | null> {
  const cookie = (await headers()).get("cookie") ?? "";
  const tokens = await getToken({ req: new NextRequest(setting("NEXTAUTH_URL"), { headers: { cookie } }) });
  return tokens && !isAlive(tokens) ? { ...tokens, accessToken: undefined } : tokens;
}
