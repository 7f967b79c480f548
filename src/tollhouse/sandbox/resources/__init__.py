"""One module per noun of Stripe's API, its operations as functions."""
