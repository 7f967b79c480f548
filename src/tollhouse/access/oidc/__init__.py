"""The OpenID provider: people sign in to your apps through us."""
