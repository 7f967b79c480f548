import { headers } from "next/headers";
import { NextRequest } from "next/server";
import { getToken, type JWT } from "next-auth/jwt";
import { setting } from "./settings";

/**
 * The person's tokens as the cookie holds them, for pages and routes; null for whoever is not signed in.
 *
 * It only reads. `getServerSession` would run the jwt callback, which may refresh; but a page cannot set cookies, and
 * the new refresh token would be lost. Refreshing is for proxy.ts.
 */
export async function readTokens(): Promise<JWT | null> {
  const cookie = (await headers()).get("cookie") ?? "";
  return getToken({ req: new NextRequest(setting("NEXTAUTH_URL"), { headers: { cookie } }) });
}
