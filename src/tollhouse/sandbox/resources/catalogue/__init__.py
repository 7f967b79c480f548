"""What is sold: products, prices, discounts, entitlements."""
