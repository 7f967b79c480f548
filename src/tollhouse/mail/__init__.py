"""Mail: what is written, how it is addressed, and how it leaves."""
