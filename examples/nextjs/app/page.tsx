import { redirect } from "next/navigation";
import { readTokens } from "@/auth/session";
import { SignInForm } from "./sign-in-form";

/** What went wrong, by the name that NextAuth gives it in `?error=`. */
const TROUBLES: Record<string, string> = {
  OAuthSignin: "Signing in is not possible just now. Please try again in a minute.",
  OAuthCallback: "That sign-in took too long or began in another window. Please start again here.",
};

interface Query {
  searchParams: Promise<{ error?: string }>;
}

export default async function Home({ searchParams }: Query) {
  const tokens = await readTokens();
  if (tokens?.accessToken) redirect("/account");
  const { error } = await searchParams;
  const ended = tokens?.ended ? "You have been signed out. Please sign in again." : undefined;
  const trouble = error ? (TROUBLES[error] ?? "Signing in did not work. Please try again.") : ended;
  return (
    <>
      <h1>Sign in</h1>
      {trouble && <p role="alert">{trouble}</p>}
      <SignInForm />
    </>
  );
}
