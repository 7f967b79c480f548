"""Credits: accounts, lots, entries and holds; integers only, appended only."""
