import { readCaller } from "@/auth/caller";

/** A route of your own that wants an access token: from this app's pages, a phone app, a script. */
export async function GET(request: Request): Promise<Response> {
  const caller = await readCaller(request);
  if (!caller) {
    const headers = { "WWW-Authenticate": 'Bearer error="invalid_token"' };
    return Response.json({ error: "invalid_token" }, { status: 401, headers });
  }
  return Response.json({ greeting: `Hello ${caller.email ?? caller.userId}`, user_id: caller.userId });
}
