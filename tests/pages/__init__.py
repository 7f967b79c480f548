"""The pages: what they say, what they are served with, and how they behave in a browser."""
