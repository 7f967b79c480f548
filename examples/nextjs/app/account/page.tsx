import { redirect } from "next/navigation";
import { readTokens } from "@/auth/session";
import { setting } from "@/auth/settings";
import { Greeting } from "./greeting";
import { SignOut } from "./sign-out";

/** Who the access token belongs to, by Tollhouse's own API; undefined where it is refused, or nobody answers. */
async function askWhoAmI(accessToken: string): Promise<{ user_id: string; session_id: string } | undefined> {
  try {
    const headers = { Authorization: `Bearer ${accessToken}` };
    const reply = await fetch(`${setting("TOLLHOUSE_URL")}/auth/whoami`, { headers, cache: "no-store" });
    return reply.ok ? await reply.json() : undefined;
  } catch (error) {
    console.error("Tollhouse did not answer:", error);
  }
}

export default async function Account() {
  const tokens = await readTokens();
  if (!tokens?.accessToken) redirect("/");
  const me = await askWhoAmI(tokens.accessToken);
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
          <p role="alert">Nothing just now. Please reload this page, or sign out and in again.</p>
        )}
      </section>
      <section>
        <h2>A protected route of this app</h2>
        <Greeting />
      </section>
      <SignOut />
    </>
  );
}
