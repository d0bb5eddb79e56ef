"""The token with which auth asks other services in the name of who looks at a page."""

from auth_service import commands, queries
from chassis.db import utc_now
from chassis.people import Principal
from chassis.runtime import runtime


def token_of(principal: Principal) -> str:
    """Return a token of the person's session, as they could have got it themselves."""
    with runtime().database.reading() as session:
        user = queries.user(session, principal.user_id)
        key = commands.tools().keys.signing_key()
        return commands.access_token(key, user, sign_in_id=principal.session_id, now=utc_now()).text
