"use client";

import { signIn } from "next-auth/react";
import type { FormEvent } from "react";
import { usePending } from "./use-pending";

/** Your own field: Tollhouse sends the mail at once, and the person lands on its page that waits for link or code. */
export function SignInForm({ callbackUrl }: { callbackUrl: string }) {
  const [sending, setSending] = usePending<true>();

  async function send(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const email = String(new FormData(event.currentTarget).get("email"));
    setSending(true);
    try {
      await signIn("tollhouse", { callbackUrl }, { login_hint: email });
    } catch (error) {
      setSending(undefined);
      throw error;
    }
  }

  return (
    <form onSubmit={send}>
      <label htmlFor="email">E-mail address</label>
      <input id="email" name="email" type="email" autoComplete="email" required />
      <button disabled={sending}>{sending ? "One moment…" : "Send me a link"}</button>
      <p className="note">We send you a link and a code. There is no password.</p>
    </form>
  );
}
