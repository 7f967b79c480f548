"""The till: products, purchases, subscriptions, and what Stripe says of them."""
