import { createRemoteJWKSet, errors, jwtVerify } from "jose";
import { setting } from "./settings";

let keys: ReturnType<typeof createRemoteJWKSet> | undefined;
/** Errors that say nothing about the token: Tollhouse's keys could not be fetched. */
const NOT_THE_TOKEN = ["ERR_JWKS_TIMEOUT", "ERR_JOSE_GENERIC"];

export interface Caller {
  userId: string;
  /** Null where the token names none. */
  email: string | null;
}

/** Who calls a route of this app, by the access token in the request; null without a genuine, living one. */
export async function readCaller(request: Request): Promise<Caller | null> {
  const [scheme, token] = (request.headers.get("authorization") ?? "").split(" ");
  if (scheme?.toLowerCase() !== "bearer" || !token) return null;
  const issuer = setting("TOLLHOUSE_URL");
  keys ??= createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`));
  try {
    // `typ` keeps an ID token from passing for an access token.
    const { payload } = await jwtVerify(token, keys, { issuer, audience: issuer, typ: "at+jwt", algorithms: ["ES256"] });
    return { userId: String(payload.sub), email: typeof payload.email === "string" ? payload.email : null };
  } catch (error) {
    if (error instanceof errors.JOSEError && !NOT_THE_TOKEN.includes(error.code)) return null;
    throw error;
  }
}
