"""Reads for the API and the pages. The caller owns the session."""

from auth_service.queries.beaks import BeakMemory
from auth_service.queries.sign_ins import refused_sign_ins, sign_ins
from auth_service.queries.users import has_beak, imported_users, random_user, user, users

__all__ = ["BeakMemory", "has_beak", "imported_users", "random_user", "refused_sign_ins", "sign_ins", "user", "users"]
