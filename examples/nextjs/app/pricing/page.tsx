import { connection } from "next/server";
import { setting } from "@/auth/settings";
import { PATIENCE_MS } from "@/auth/tokens";
import { Offers, type Product } from "./offers";

/** What Tollhouse sells; undefined where it does not say. */
async function fetchProducts(): Promise<Product[] | undefined> {
  const signal = AbortSignal.timeout(PATIENCE_MS);
  try {
    const reply = await fetch(`${setting("TOLLHOUSE_URL")}/billing/products`, { signal, cache: "no-store" });
    if (!reply.ok) throw new Error(`${reply.status} ${await reply.text()}`);
    return (await reply.json()).products;
  } catch (error) {
    console.error("The products could not be fetched:", error);
  }
}

export default async function Pricing() {
  await connection(); // prices are asked for when somebody comes, not when the app is built
  const products = await fetchProducts();
  return (
    <>
      <h1>Prices</h1>
      {products ? (
        <Offers products={products} tollhouse={setting("TOLLHOUSE_URL")} />
      ) : (
        <p role="alert">The prices cannot be shown just now. Please reload this page in a minute.</p>
      )}
    </>
  );
}
