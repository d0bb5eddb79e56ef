"""The header by which a request that is sent twice does its work once."""

from marshmallow import Schema, fields, validate


class KeySchema(Schema):
    """The header `Idempotency-Key`."""

    key = fields.String(
        data_key="Idempotency-Key",
        load_default=None,
        validate=validate.Length(1, 255),
        metadata={"description": "Any text of the client's choice; the same request with the same key is done once"},
    )
