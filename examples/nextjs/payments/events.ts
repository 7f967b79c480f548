/** What every event has. `sequence` counts the events of one user, from 1. */
interface Told<Type extends string, Data = object> {
  id: string;
  type: Type;
  sequence: number;
  created_at: string;
  data: Data & { user_id: string };
}

interface Paid {
  /** A purchase (`pur_…`), or an invoice of a subscription (`in_…`). */
  payment_id: string;
  product: string | null;
  amount_minor: number;
  currency: string;
}

interface Refunded {
  payment_id: string;
  currency: string;
  /** What has gone back of the payment in all: a refund that failed makes it less again. */
  reversed_minor: number;
}

interface Subscribed {
  subscription_id: string;
  product: string | null;
  /** Stripe's word. */
  status: string;
  current_period_end: string;
}

/** The events that this app wants, with the fields that it reads; docs/events.md has all of them. */
export type TollhouseEvent =
  | Told<"user.created">
  | Told<"user.erased">
  | Told<"payment.succeeded", Paid>
  | Told<"payment.refunded", Refunded>
  | Told<"credits.granted", { credits: number }>
  | Told<"subscription.updated", Subscribed>
  | Told<"subscription.ended", Subscribed>;

/** The event of one type. */
export type EventOf<Type> = Extract<TollhouseEvent, { type: Type }>;
