import { readTokens } from "@/auth/session";

/** The access token, for this app's own scripts: they call APIs with it. The refresh token never leaves the cookie. */
export async function GET(): Promise<Response> {
  const tokens = await readTokens();
  const headers = { "Cache-Control": "no-store" };
  if (!tokens?.accessToken) return Response.json({ error: "not_signed_in" }, { status: 401, headers });
  return Response.json({ access_token: tokens.accessToken, expires_at: tokens.expiresAt }, { headers });
}
