"""Auth: who there is, whose beak this is, and who may do what.

Owns users, their beaks, sign-ins and the keys that sign tokens; signs people in to all services (OpenID Connect).
Publishes user_registered, user_updated, user_role_changed, user_blocked, user_unblocked, user_signed_in and
user_signed_out. Consumes nothing.
"""
