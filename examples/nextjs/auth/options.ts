import type { NextAuthOptions, Session } from "next-auth";
import { setting } from "./settings";
import { isAlive, isDue, refresh } from "./tokens";

/** What Tollhouse's ID token says of a person. */
interface Profile {
  sub: string;
  email: string;
}

/** NextAuth with Tollhouse as its only provider, and the tokens in an encrypted cookie that no script can read. */
export function authOptions(): NextAuthOptions {
  return {
    providers: [
      {
        id: "tollhouse",
        name: "Tollhouse",
        type: "oauth",
        wellKnown: `${setting("TOLLHOUSE_URL")}/.well-known/openid-configuration`,
        clientId: setting("OIDC_CLIENT_ID"),
        clientSecret: setting("OIDC_CLIENT_SECRET"),
        authorization: { params: { scope: "openid email offline_access" } },
        idToken: true,
        checks: ["pkce", "state", "nonce"],
        profile: ({ sub, email }: Profile) => ({ id: sub, email }),
      },
    ],
    session: { strategy: "jwt" },
    pages: { signIn: "/", error: "/" },
    callbacks: {
      /** Keeps the tokens of a sign-in, and exchanges them when they are due. NextAuth keeps what this returns. */
      async jwt({ token, account, trigger }) {
        const isRefused = trigger === "update" && token.refreshToken !== undefined; // so says app/pricing/checkout.ts
        if (!account) return isDue(token) || isRefused ? refresh(token) : token;
        return {
          sub: token.sub,
          email: token.email,
          accessToken: account.access_token,
          expiresAt: account.expires_at,
          refreshToken: account.refresh_token,
          idToken: account.id_token,
        };
      },
      /** What a browser may see at /api/auth/session: who it is, and none of the tokens. */
      session({ session, token }) {
        if (!isAlive(token)) return {} as Session; // NextAuth's own word for nobody; `useSession` believes any other
        return { ...session, user: { id: token.sub, email: token.email } };
      },
    },
  };
}
