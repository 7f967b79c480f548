"""Your app's endpoints: every event reaches them, signed and in order."""
