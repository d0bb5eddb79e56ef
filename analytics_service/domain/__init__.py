"""The rules behind the figures, pure: no database, no web and no clock of their own."""
