"""The tracker's rules, pure: no database, no web, no clock and no random of their own."""
