import { setting } from "./settings";

const PAGES = ["/account", "/pricing"];

/** Where somebody goes once signed in: the page of this app that is asked for, else the account page. */
export function wayBack(asked?: string): string {
  const own = setting("NEXTAUTH_URL"); // NextAuth writes a page with its origin, our own links write it without
  // A list, and no look at what `asked` begins with: `//elsewhere.example` leads out of the app as well.
  return PAGES.find((page) => asked === page || asked === new URL(page, own).href) ?? "/account";
}
