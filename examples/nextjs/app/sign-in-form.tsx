"use client";

import { signIn } from "next-auth/react";
import { type FormEvent, useEffect, useState } from "react";

/** Your own field: Tollhouse sends the mail at once, and the person lands on its page that waits for link or code. */
export function SignInForm() {
  const [sending, setSending] = useState(false);

  useEffect(() => {
    const enable = () => setSending(false); // the Back button may show the page as it was left
    addEventListener("pageshow", enable);
    return () => removeEventListener("pageshow", enable);
  }, []);

  async function send(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const email = String(new FormData(event.currentTarget).get("email"));
    setSending(true);
    try {
      await signIn("tollhouse", { callbackUrl: "/account" }, { login_hint: email });
    } catch (error) {
      setSending(false);
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
