import type { EventOf, TollhouseEvent } from "./events";

/** What this app knows of one user, by events alone. */
export interface Person {
  /** All that ever came. How many are left, Tollhouse's `GET /credits` tells: it sees each spend, this app does not. */
  creditsGranted: number;
  payments: Record<string, Payment>;
  plans: Record<string, Plan>;
}

export interface Payment {
  currency: string;
  /** Missing while a refund was told before its payment. */
  paid?: { product: string | null; amountMinor: number };
  refunded?: { amountMinor: number; sequence: number };
}

export interface Plan {
  product: string | null;
  status: string;
  periodEnd: string;
  sequence: number;
}

/** Everything that is kept. In a database: a table each, with `applied` and `erased` keyed by their ids. */
export interface Book {
  applied: string[];
  erased: string[];
  people: Record<string, Person>;
}

/**
 * Writes into the book what an event means; false for what means nothing to this app.
 *
 * A user's events come in order, but for one that fails for an hour: the later ones pass it then. So where an event
 * tells how things stand now (a plan, what was refunded in all), a lower `sequence` never replaces a higher one. Where it
 * tells what came in addition (credits, a payment), order does not matter: once does.
 */
export function enter(book: Book, event: TollhouseEvent): boolean {
  const id = event.data.user_id;
  if (book.erased.includes(id)) return false; // told too late: a deleted account does not come back
  const person = book.people[id] ?? { creditsGranted: 0, payments: {}, plans: {} };
  switch (event.type) {
    case "user.created":
      break;
    case "user.erased":
      book.erased.push(id);
      delete book.people[id];
      return true;
    case "payment.succeeded":
      enterPayment(person, event);
      break;
    case "payment.refunded":
      enterRefund(person, event);
      break;
    case "credits.granted":
      person.creditsGranted += event.data.credits;
      break;
    case "subscription.updated":
    case "subscription.ended":
      enterPlan(person, event);
      break;
    default:
      return false; // a type that Tollhouse may have one day; this app did not ask for it
  }
  book.people[id] = person;
  return true;
}

function enterPayment(person: Person, { data }: EventOf<"payment.succeeded">): void {
  const paid = { product: data.product, amountMinor: data.amount_minor };
  person.payments[data.payment_id] = { ...person.payments[data.payment_id], currency: data.currency, paid };
}

function enterRefund(person: Person, { data, sequence }: EventOf<"payment.refunded">): void {
  const known = person.payments[data.payment_id];
  if (known?.refunded && known.refunded.sequence > sequence) return;
  const refunded = { amountMinor: data.reversed_minor, sequence };
  person.payments[data.payment_id] = { ...known, currency: data.currency, refunded };
}

function enterPlan(person: Person, event: EventOf<"subscription.updated" | "subscription.ended">): void {
  const { data, sequence } = event;
  if ((person.plans[data.subscription_id]?.sequence ?? 0) > sequence) return;
  const { product, status, current_period_end: periodEnd } = data;
  person.plans[data.subscription_id] = { product, status, periodEnd, sequence };
}
