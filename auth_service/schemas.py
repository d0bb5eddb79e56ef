"""What comes in and goes out as JSON. Rules about names and addresses stand in `domain.person`, for pages and API."""

from marshmallow import Schema, fields, validate

from chassis.paging import PageArgs
from chassis.people import ACTIVE, BLOCKED, ROLES

_STATUSES = (ACTIVE, BLOCKED)


class UserSchema(Schema):
    """A user, as everybody who is signed in sees them."""

    id = fields.UUID(required=True)
    name = fields.String(required=True)
    email = fields.String(required=True)
    role = fields.String(required=True, validate=validate.OneOf(ROLES))
    status = fields.String(required=True, validate=validate.OneOf(_STATUSES))
    created_at = fields.AwareDateTime(required=True)


class NewUserSchema(Schema):
    """What a user is registered with."""

    name = fields.String(required=True, metadata={"description": "1..200 characters"})
    email = fields.String(required=True, metadata={"description": "Unique, however it is capitalised"})
    role = fields.String(required=True, validate=validate.OneOf(ROLES))


class UserChangesSchema(Schema):
    """What to change; what is not sent stays."""

    name = fields.String()
    email = fields.String()
    role = fields.String(validate=validate.OneOf(ROLES))


class UserArgs(PageArgs):
    """Which users are wanted."""

    role = fields.String(load_default=None, validate=validate.OneOf(ROLES))
    status = fields.String(load_default=None, validate=validate.OneOf(_STATUSES))


class RandomArgs(Schema):
    """Among which roles a user is drawn: `?role=popug&role=accountant`; none: among all."""

    role = fields.List(fields.String(validate=validate.OneOf(ROLES)), load_default=list)


class PermissionsSchema(Schema):
    """What a user may do."""

    permissions = fields.List(fields.String(), required=True)


class TokenUserSchema(Schema):
    """Whose beak it was."""

    id = fields.UUID(required=True)
    name = fields.String(required=True)
    role = fields.String(required=True)


class TokenSchema(Schema):
    """An access token for all services."""

    access_token = fields.String(required=True)
    token_type = fields.String(required=True)
    expires_in = fields.Integer(required=True, metadata={"description": "Seconds"})
    user = fields.Nested(TokenUserSchema, required=True)


class SessionSchema(Schema):
    """What is told of a session."""

    active = fields.Boolean(required=True, metadata={"description": "False for one that ended, or never began"})


class OAuthErrorSchema(Schema):
    """A refusal as OAuth 2.0 has it: no problem, but a code."""

    error = fields.String(required=True)


class SignInArgs(PageArgs):
    """Whose sign-ins are wanted."""

    user_id = fields.UUID(load_default=None)


class SignInSchema(Schema):
    """An entry of the audit."""

    id = fields.UUID(required=True)
    user_id = fields.UUID(required=True)
    method = fields.String(required=True)
    via = fields.String(required=True, metadata={"description": "pages or api"})
    address = fields.String(required=True, allow_none=True)
    signed_in_at = fields.AwareDateTime(required=True)
    signed_out_at = fields.AwareDateTime(required=True, allow_none=True)


class RefusedSignInSchema(Schema):
    """An entry of the audit about somebody who was not let in."""

    id = fields.UUID(required=True)
    reason = fields.String(required=True, metadata={"description": "As in the `type` of the problem: `unknown-beak`"})
    user_id = fields.UUID(required=True, allow_none=True, metadata={"description": "Of a blocked user; else null"})
    via = fields.String(required=True, metadata={"description": "pages or api"})
    address = fields.String(required=True, allow_none=True)
    refused_at = fields.AwareDateTime(required=True)
