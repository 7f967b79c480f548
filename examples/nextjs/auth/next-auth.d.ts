import "next-auth";
import "next-auth/jwt";

declare module "next-auth" {
  interface Session {
    user: { id?: string; email?: string | null };
  }
}

declare module "next-auth/jwt" {
  interface JWT {
    accessToken?: string;
    /** When the access token ends, in seconds since 1970. */
    expiresAt?: number;
    refreshToken?: string;
    idToken?: string;
    /** Tollhouse takes the refresh token no more: only a new sign-in helps. */
    ended?: boolean;
  }
}
