"""Who you are: users, magic links and sessions."""
