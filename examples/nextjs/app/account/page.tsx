import { redirect } from "next/navigation";
import { readTokens } from "@/auth/session";
import { setting } from "@/auth/settings";
import { PATIENCE_MS } from "@/auth/tokens";
import { Greeting } from "./greeting";
import { Payments } from "./payments";
import { SignOut } from "./sign-out";

/** What Tollhouse's own API says of the access token; undefined where nobody answers. */
async function askWhoAmI(accessToken: string): Promise<Response | undefined> {
  const headers = { Authorization: `Bearer ${accessToken}` };
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    return await fetch(`${setting("TOLLHOUSE_URL")}/auth/whoami`, { headers, signal, cache: "no-store" });
  } catch (error) {
    console.error("Tollhouse did not answer:", error);
  }
}

export default async function Account() {
  const tokens = await readTokens();
  if (!tokens?.accessToken) redirect("/");
  const reply = await askWhoAmI(tokens.accessToken);
  if (reply?.status === 401) redirect("/?error=SessionRequired"); // ended at Tollhouse before the token ended
  const me: { user_id: string; session_id: string } | undefined = reply?.ok ? await reply.json() : undefined;
  return (
    <>
      <h1>Your account</h1>
      <p>
        Signed in as <strong>{tokens.email}</strong>.
      </p>
      <section>
        <h2>What Tollhouse says</h2>
        {me ? (
          <dl>
            <dt>User</dt>
            <dd>{me.user_id}</dd>
            <dt>Session</dt>
            <dd>{me.session_id}</dd>
          </dl>
        ) : (
          <p role="alert">Nothing just now. Please reload this page in a minute.</p>
        )}
      </section>
      {tokens.sub && <Payments userId={tokens.sub} />}
      <section>
        <h2>A protected route of this app</h2>
        <Greeting />
      </section>
      <SignOut />
    </>
  );
}
