"""Reads for the API and the pages. The caller owns the session."""

from auth_service.queries.beaks import BeakMemory
from auth_service.queries.sessions import goes_on, token_counts
from auth_service.queries.sign_ins import refused_sign_ins, sign_ins
from auth_service.queries.users import count_users, has_beak, imported_users, random_user, user, users

__all__ = [
    "BeakMemory",
    "count_users",
    "goes_on",
    "has_beak",
    "imported_users",
    "random_user",
    "refused_sign_ins",
    "sign_ins",
    "token_counts",
    "user",
    "users",
]
