"""Who may call: bearer tokens of our own and of other issuers, API keys, and the OpenID provider."""
