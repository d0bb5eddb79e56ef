"""Auth's tables: who there is, what their beaks look like, and who came and went."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    DateTime,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    Text,
    Uuid,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from chassis.clock_offset import ClockOffsetTable
from chassis.db import new_metadata
from chassis.people import ACTIVE
from chassis.request_keys import RequestKeyTable
from messaging import VersionedAggregate


class Base(DeclarativeBase):
    """What the tables of auth have in common."""

    metadata = new_metadata()


class User(VersionedAggregate, Base):
    """Somebody of UberPopug Inc. Nobody is ever deleted: the books name them."""

    __tablename__ = "users"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    #: The id under which an import knows the user; None for who was registered here.
    external_id: Mapped[str | None] = mapped_column(Text, unique=True)
    name: Mapped[str] = mapped_column(Text)
    #: Unique however it is capitalised.
    email: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(Text)
    #: `active` or `blocked`.
    status: Mapped[str] = mapped_column(Text, default=ACTIVE)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    #: When the user was last blocked: sessions that began by then are over. None for who never was.
    valid_after: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    __table_args__ = (
        CheckConstraint("role IN ('popug', 'boss', 'accountant', 'manager', 'admin')", name="role"),
        CheckConstraint("status IN ('active', 'blocked')", name="status"),
        Index("users_created_at_idx", "created_at", "id"),
        # The lists of those of a role, of a status, or of both come in order from these.
        Index("users_role_idx", "role", "created_at", "id"),
        Index("users_status_idx", "status", "created_at", "id"),
        Index("users_role_status_idx", "role", "status", "created_at", "id"),
        # Whatever the collation, it finds those whose external id starts with something.
        Index("users_external_id_prefix_idx", "external_id", postgresql_ops={"external_id": "text_pattern_ops"}),
    )


#: Named, because a command tells by it what a violation means.
EMAIL_INDEX = "users_email_idx"
Index(EMAIL_INDEX, func.lower(User.email), unique=True)


class Beak(Base):
    """The shape of a user's beak. Photos are not kept."""

    __tablename__ = "beaks"
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id), primary_key=True)
    #: As `domain.beak.to_bytes` makes it.
    descriptor: Mapped[bytes] = mapped_column(LargeBinary)
    #: Grows with every enrolment: who has read up to one revision reads on from there.
    revision: Mapped[int] = mapped_column(BigInteger, unique=True)
    enrolled_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class BeakRevision(Base):
    """One row. Who enrols a beak holds its lock, so no two enrolments miss each other."""

    __tablename__ = "beak_revision"
    id: Mapped[int] = mapped_column(SmallInteger, primary_key=True)
    latest: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (CheckConstraint("id = 1", name="one_row"),)


class SignIn(Base):
    """A session, and its entry in the audit: somebody came, perhaps went. As an aggregate it has two events, 1 and 2.

    Its id is the `sid` of every token that is given out in it. `queries.goes_on` tells whether it goes on.
    """

    __tablename__ = "sign_ins"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id))
    method: Mapped[str] = mapped_column(Text, default="beak")
    #: `pages` or `api`.
    via: Mapped[str] = mapped_column(Text)
    #: From where, as far as the server can see.
    address: Mapped[str | None] = mapped_column(Text)
    signed_in_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))
    signed_out_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))

    user: Mapped[User] = relationship(viewonly=True, lazy="raise")

    __table_args__ = (
        Index("sign_ins_signed_in_at_idx", "signed_in_at", "id"),
        Index("sign_ins_user_idx", "user_id", "signed_in_at", "id"),
    )


class RefusedSignIn(Base):
    """Somebody showed a photo and was not let in: the other half of the audit."""

    __tablename__ = "refused_sign_ins"
    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    #: The kind of the refusal, as in `unknown-beak`.
    reason: Mapped[str] = mapped_column(Text)
    #: Whose beak it was, if it was recognised: of somebody who is blocked.
    user_id: Mapped[UUID | None] = mapped_column(ForeignKey(User.id))
    #: `pages` or `api`.
    via: Mapped[str] = mapped_column(Text)
    #: From where, as far as the server can see.
    address: Mapped[str | None] = mapped_column(Text)
    refused_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))

    user: Mapped[User | None] = relationship(viewonly=True, lazy="raise")

    __table_args__ = (Index("refused_sign_ins_refused_at_idx", "refused_at", "id"),)


class ClockOffset(ClockOffsetTable, Base):
    """How far the business clock of a demonstration is ahead."""

    __tablename__ = "clock_offset"


class RequestKey(RequestKeyTable, Base):
    """The Idempotency-Key of a request that registered somebody, and its answer."""

    __tablename__ = "request_keys"


class SigningKey(Base):
    """A key that signs tokens. Only auth's own role can read this table."""

    __tablename__ = "signing_keys"
    kid: Mapped[str] = mapped_column(Text, primary_key=True)
    #: The whole JWK, the private part included.
    jwk: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True))


class AuthorizationCode(Base):
    """A code on its way from the browser to a client; used once, within seconds (RFC 6749, 4.1.2)."""

    __tablename__ = "authorization_codes"
    #: SHA-256 of the code: who reads the table cannot redeem it.
    code_hash: Mapped[bytes] = mapped_column(LargeBinary, primary_key=True)
    client_id: Mapped[str] = mapped_column(Text)
    redirect_uri: Mapped[str] = mapped_column(Text)
    code_challenge: Mapped[str] = mapped_column(Text)
    scope: Mapped[str] = mapped_column(Text)
    nonce: Mapped[str | None] = mapped_column(Text)
    user_id: Mapped[UUID] = mapped_column(ForeignKey(User.id))
    sign_in_id: Mapped[UUID] = mapped_column(ForeignKey(SignIn.id))
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
    #: The id of the token that was given for it; None until it is redeemed.
    token_id: Mapped[UUID | None] = mapped_column(Uuid)


class RevokedToken(Base):
    """A token that counts no longer although it has not expired."""

    __tablename__ = "revoked_tokens"
    token_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), index=True)
