"use client";

import { signOut } from "next-auth/react";

/** Ends the session here, then at Tollhouse, and with it the sessions of every other app that it signed in. */
async function signOutEverywhere() {
  const { url } = await (await fetch("/api/sign-out-url")).json(); // before the cookie that it needs is gone
  await signOut({ redirect: false });
  location.assign(url);
}

export function SignOut() {
  return (
    <button className="quiet" onClick={signOutEverywhere}>
      Sign out
    </button>
  );
}
