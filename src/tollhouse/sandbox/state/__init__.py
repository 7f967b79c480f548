"""What the sandbox knows: objects, its clock, and what is due on it."""
