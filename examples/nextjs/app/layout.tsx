import "./style.css";
import type { Metadata } from "next";
import type { ReactNode } from "react";

export const metadata: Metadata = { title: "Harbour Notes", description: "An app that signs people in and sells." };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <header>
          <span>Harbour Notes</span>
          <nav>
            <a href="/pricing">Prices</a>
            <a href="/account">Account</a>
          </nav>
        </header>
        <main>{children}</main>
      </body>
    </html>
  );
}
