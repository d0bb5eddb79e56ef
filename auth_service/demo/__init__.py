"""The demo company: who they are, what they look like, and how they get into an empty database."""
