"""Events on their way to the webhook endpoints that asked for them."""
