"""What Stripe's API is about: one module per noun, with its operations as functions, by what belongs together."""
