import { mkdir, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import { setting } from "@/auth/settings";
import { type Book, enter, type Person } from "./book";
import type { TollhouseEvent } from "./events";

/*
 * A file, so that this example needs no database: for one process on one disk, written anew as a whole each time.
 * A real app has its own database do it: a table with the event's id as its primary key, and in one transaction
 * first the insert into it, then the effect. Where the insert finds the id taken, the event was applied before.
 */

/** Whoever writes waits for the one before; two at once would each write without what the other knew. */
let last: Promise<unknown> = Promise.resolve();

/** Applies an event that did not come before. True once it is on the disk, by this call or an earlier one. */
export function applyOnce(event: TollhouseEvent): Promise<boolean> {
  const mine = last.then(() => apply(event));
  last = mine.catch(() => {}); // told to whoever waits for `mine`; the next one tries for itself
  return mine;
}

/** What this app knows of a user. */
export async function findPerson(userId: string): Promise<Person | undefined> {
  return (await read()).people[userId];
}

async function apply(event: TollhouseEvent): Promise<boolean> {
  const book = await read();
  if (book.applied.includes(event.id)) return true;
  if (!enter(book, event)) return false;
  book.applied.push(event.id); // in the same write as the effect: either both are kept, or neither
  await write(book);
  return true;
}

async function read(): Promise<Book> {
  try {
    return JSON.parse(await readFile(setting("PAYMENTS_FILE"), "utf8"));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error; // a file that cannot be read is never replaced
    return { applied: [], erased: [], people: {} };
  }
}

async function write(book: Book): Promise<void> {
  const path = setting("PAYMENTS_FILE");
  await mkdir(dirname(path), { recursive: true });
  const file = await open(`${path}.new`, "w");
  try {
    await file.writeFile(JSON.stringify(book, null, 2));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path); // whoever reads has all of the old one or all of the new one
}
