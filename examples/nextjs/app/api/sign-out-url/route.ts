import { readTokens } from "@/auth/session";
import { setting } from "@/auth/settings";

/** Where a browser goes to end its session at Tollhouse as well; it comes back to the first page. */
export async function GET(): Promise<Response> {
  const home = new URL("/", setting("NEXTAUTH_URL")).href;
  const idToken = (await readTokens())?.idToken;
  const query = new URLSearchParams({ id_token_hint: idToken ?? "", post_logout_redirect_uri: home });
  const url = idToken ? `${setting("TOLLHOUSE_URL")}/oauth/sign-out?${query}` : home;
  return Response.json({ url }, { headers: { "Cache-Control": "no-store" } });
}
