"""What is asked often stays quick among 100,000 people and sign-ins: Postgres finds it by an index."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from auth_service import commands, queries
from auth_service.commands.users import check_an_admin_stays
from auth_service.queries import BeakMemory
from chassis.db import Database
from chassis.people import ACTIVE, BLOCKED, Role
from tests.plans import HotQuery, fill, id_of, second_page

#: Of 100,000 people 2,000 are bosses, 500 each accountants, managers, administrators; every 21st is blocked. A tenth
#: came by an import, a fifth has a beak.
COMPANY = """
    INSERT INTO users (id, external_id, name, email, role, status, created_at, version)
        SELECT md5('user' || n)::uuid, CASE WHEN n % 10 = 0 THEN 'file:' || n END, 'Popug ' || n,
               'popug' || n || '@x.example',
               CASE WHEN n % 50 = 1 THEN 'boss' WHEN n % 200 = 2 THEN 'accountant' WHEN n % 200 = 3 THEN 'manager'
                    WHEN n % 200 = 4 THEN 'admin' ELSE 'popug' END,
               CASE WHEN n % 21 = 1 THEN 'blocked' ELSE 'active' END,
               timestamptz '2026-01-01' + n * 17 % 100000 * interval '1 minute', 1
        FROM generate_series(1, 100000) n;
    INSERT INTO beaks
        SELECT md5('user' || n)::uuid, decode(repeat('00', 256), 'hex'), n, timestamptz '2026-01-01'
        FROM generate_series(1, 20000) n;
    INSERT INTO sign_ins (id, user_id, method, via, signed_in_at)
        SELECT md5('sign-in' || n)::uuid, md5('user' || 1 + n % 1000)::uuid, 'beak', 'pages',
               timestamptz '2026-11-01' + n * 17 % 100000 * interval '1 second'
        FROM generate_series(1, 100000) n;
    INSERT INTO refused_sign_ins (id, reason, via, refused_at)
        SELECT md5('refusal' || n)::uuid, 'unknown-beak', 'pages',
               timestamptz '2026-11-01' + n * 17 % 100000 * interval '1 second'
        FROM generate_series(1, 100000) n;
    INSERT INTO authorization_codes
        SELECT decode(md5(n::text), 'hex'), 'tracker', '', '', '', NULL, md5('user1')::uuid, md5('sign-in1')::uuid,
               timestamptz '2026-11-01' + n * interval '1 second'
        FROM generate_series(1, 100000) n;
    INSERT INTO revoked_tokens
        SELECT md5(n::text)::uuid, timestamptz '2026-11-01' + n * interval '1 second' FROM generate_series(1, 100000) n
"""
LARGE = {"users", "beaks", "sign_ins", "refused_sign_ins", "authorization_codes", "revoked_tokens"}
#: Remembers what was enrolled before the test began.
MEMORY = BeakMemory()
SOMEBODY, A_SIGN_IN = id_of("user7"), id_of("sign-in7")
MORNING = datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def grown(migrated: Callable[..., Any]) -> Iterator[Database]:
    settings = migrated("auth")
    fill(settings, COMPANY)
    made = Database(settings)
    with made.reading() as session:
        MEMORY.look(session)
    yield made
    made.engine.dispose()


def users(role: str | None = None, status: str | None = None) -> Callable[[Session], object]:
    return second_page(lambda session, page: queries.users(session, page=page, role=role, status=status))


def import_one(session: Session) -> None:
    row = {"external_id": "file:10", "name": "Kesha", "email": "kesha@x.example", "role": Role.POPUG.value}
    commands.import_users(session, [row])


HOT = {
    "everybody": HotQuery(users(), {"users_created_at_idx"}, LARGE),
    **{
        f"those of the role {role}": HotQuery(users(role=role), {"users_role_idx"}, LARGE)
        for role in (Role.BOSS, Role.ACCOUNTANT, Role.MANAGER, Role.ADMIN)
    },
    "those blocked": HotQuery(users(status=BLOCKED), {"users_status_idx"}, LARGE),
    **{
        f"those of the role {role} who are {status}": HotQuery(
            users(role=role, status=status), {"users_role_status_idx"}, LARGE
        )
        for role, status in ((Role.POPUG, BLOCKED), (Role.BOSS, ACTIVE), (Role.BOSS, BLOCKED))
    },
    # Nearly everybody: it is found quickly by any of the indexes in this order.
    "those active": HotQuery(users(status=ACTIVE), set(), LARGE),
    "popugs": HotQuery(users(role=Role.POPUG), set(), LARGE),
    "active popugs": HotQuery(users(role=Role.POPUG, status=ACTIVE), set(), LARGE),
    "those whom a file named": HotQuery(
        lambda session: queries.imported_users(session, "file:12"),
        {"users_external_id_prefix_idx"},
        LARGE,
        sorts=1000,
    ),
    "everybody's sign-ins": HotQuery(
        second_page(lambda session, page: queries.sign_ins(session, page=page)), {"sign_ins_signed_in_at_idx"}, LARGE
    ),
    "somebody's sign-ins": HotQuery(
        second_page(lambda session, page: queries.sign_ins(session, page=page, user_id=SOMEBODY)),
        {"sign_ins_user_idx"},
        LARGE,
    ),
    "refused sign-ins": HotQuery(
        second_page(lambda session, page: queries.refused_sign_ins(session, page=page)),
        {"refused_sign_ins_refused_at_idx"},
        LARGE,
    ),
    "whether a token counts": HotQuery(
        lambda session: queries.token_counts(session, A_SIGN_IN, A_SIGN_IN, now=MORNING),
        {"revoked_tokens_pkey", "sign_ins_pkey", "users_pkey"},
        LARGE,
    ),
    "the beaks enrolled since the last look": HotQuery(MEMORY.peek, {"beaks_revision_key"}, LARGE),
    "whether somebody has a beak": HotQuery(lambda session: queries.has_beak(session, SOMEBODY), {"beaks_pkey"}, LARGE),
    "whether an administrator stays": HotQuery(
        lambda session: check_an_admin_stays(session, without=SOMEBODY), {"users_role_status_idx"}, LARGE
    ),
    "what is expired": HotQuery(
        lambda session: commands.forget_expired(session, now=MORNING + timedelta(minutes=1)),
        {"authorization_codes_expires_at_idx", "revoked_tokens_expires_at_idx"},
        LARGE,
    ),
    "refusals that are old": HotQuery(
        lambda session: commands.forget_refusals(session, now=MORNING), {"refused_sign_ins_refused_at_idx"}, LARGE
    ),
    "an import": HotQuery(import_one, {"users_email_idx"}, LARGE),
}


@pytest.mark.parametrize("what", HOT)
def test_it_is_found_by_an_index_and_no_large_table_is_read_or_sorted_from_end_to_end(
    grown: Database, what: str
) -> None:
    HOT[what].check(grown)
