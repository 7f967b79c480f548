import { type NextRequest, NextResponse } from "next/server";
import { getToken } from "next-auth/jwt";
import { setting } from "./auth/settings";
import { isDue } from "./auth/tokens";

/** Every page and route, those to come included, but NextAuth's own, which it would ask in a circle, and plain files. */
export const config = { matcher: ["/((?!api/auth/|_next/|icon\\.svg).*)"] };

/**
 * Before a page or a route: has the tokens refreshed when they are due, for it and for the browser.
 *
 * NextAuth's own session route does it, for only there does it write its cookies.
 */
export async function proxy(request: NextRequest): Promise<NextResponse> {
  const token = await getToken({ req: request });
  if (!token || !isDue(token)) return NextResponse.next();
  const own = process.env.NEXTAUTH_URL_INTERNAL ?? setting("NEXTAUTH_URL");
  const reply = await fetch(`${own}/api/auth/session`, { headers: { cookie: request.headers.get("cookie") ?? "" } });
  const renewed = new NextResponse(null, { headers: reply.headers }).cookies.getAll();
  for (const { name, value } of renewed) request.cookies.set(name, value);
  const response = NextResponse.next({ request: { headers: request.headers } });
  for (const cookie of renewed) response.cookies.set(cookie);
  return response;
}
