import "./style.css";
import type { Metadata } from "next";
import type { ReactNode } from "react";

export const metadata: Metadata = { title: "Harbour Notes", description: "An app that signs people in by mail." };

export default function Layout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <header>Harbour Notes</header>
        <main>{children}</main>
      </body>
    </html>
  );
}
