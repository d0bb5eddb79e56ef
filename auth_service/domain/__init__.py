"""The rules of auth, pure: no database, no web, no clock and no random of their own."""
