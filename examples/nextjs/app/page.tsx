import { redirect } from "next/navigation";
import { readTokens } from "@/auth/session";
import { wayBack } from "@/auth/way-back";
import { SignOut } from "./account/sign-out";
import { SignInForm } from "./sign-in-form";

/** What went wrong, by the name that NextAuth gives it in `?error=`. */
const TROUBLES = new Map([
  ["OAuthSignin", "Signing in is not possible just now. Please try again in a minute."],
  ["OAuthCallback", "That sign-in took too long or began in another window. Please start again here."],
  ["SessionRequired", "Please sign in again."],
]);

interface Query {
  searchParams: Promise<{ callbackUrl?: string; error?: string }>;
}

/** For whom there was nobody to renew the tokens: not signed in, and not signed out either. */
function NotNow() {
  return (
    <>
      <h1>One moment, please</h1>
      <p role="alert">Your sign-in cannot be checked just now. Please try again in a minute.</p>
      <a href="/account">Try again</a>
      <SignOut />
    </>
  );
}

export default async function Home({ searchParams }: Query) {
  const tokens = await readTokens();
  const { callbackUrl, error } = await searchParams;
  if (tokens?.accessToken && !error) redirect(wayBack(callbackUrl));
  if (tokens?.refreshToken && !tokens.accessToken) return <NotNow />;
  const name = error ?? (tokens ? "SessionRequired" : undefined);
  const trouble = name && (TROUBLES.get(name) ?? "Signing in did not work. Please try again.");
  return (
    <>
      <h1>Sign in</h1>
      {trouble && <p role="alert">{trouble}</p>}
      <SignInForm callbackUrl={wayBack(callbackUrl)} />
      {tokens && <SignOut />}
    </>
  );
}
