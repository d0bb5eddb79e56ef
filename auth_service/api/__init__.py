"""The REST API of auth, and the endpoints of OAuth 2.0 and OpenID Connect."""

from auth_service.api.discovery import discovery
from auth_service.api.oauth import oauth
from auth_service.api.sign_ins import sign_ins
from auth_service.api.users import users

BLUEPRINTS = (sign_ins, users, oauth, discovery)

__all__ = ["BLUEPRINTS"]
