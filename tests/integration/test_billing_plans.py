"""What is asked often stays quick in large books: Postgres finds it by an index, and reads nothing from end to end."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from billing_service import commands, queries
from chassis.paging import PageRequest
from messaging.trail import MadeEvent
from tests.integration.billing_house import DAY, NOON, House
from tests.plans import HotQuery, fill, id_of, second_page

#: A month of 400 people with 50,000 movements. The last day, `DAY`, is open.
BOOKS = """
    INSERT INTO users (user_id, name, email, role, status, sequence)
        SELECT md5('user' || n)::uuid, 'Popug ' || n, 'popug@x.example', 'popug', 'active', 1
        FROM generate_series(1, 400) n;
    INSERT INTO accounts (id, kind, user_id, balance_cents, opened_on)
        SELECT md5('account' || n)::uuid, 'employee', md5('user' || n)::uuid, 0, date '2026-10-22'
        FROM generate_series(1, 400) n;
    INSERT INTO days (day, status, closed_at)
        SELECT day, CASE WHEN day < '2026-11-21' THEN 'closed' ELSE 'open' END,
               CASE WHEN day < '2026-11-21' THEN timestamptz '2026-12-01' END
        FROM generate_series(date '2026-10-22', date '2026-11-21', '1 day') day;
    INSERT INTO ledger_transactions (id, kind, business_day, posted_at, note, made_by)
        SELECT md5(n::text)::uuid, 'correction', date '2026-10-22' + n % 31, timestamptz '2026-11-01', 'test',
               md5('account1')::uuid
        FROM generate_series(1, 50000) n;
    INSERT INTO ledger_entries (transaction_id, business_day, account_id, amount_cents, balance_after_cents)
        SELECT md5(n::text)::uuid, date '2026-10-22' + n % 31, side.account_id, side.cents, 0
        FROM generate_series(1, 50000) n
        CROSS JOIN LATERAL (VALUES (md5('account' || 1 + n / 31 % 400)::uuid, 100),
                                   ('00000000-0000-4000-8000-00000000c0de'::uuid, -100)) side (account_id, cents);
    INSERT INTO ledger_transactions (id, kind, business_day, posted_at)
        SELECT md5('payout' || n)::uuid, 'payout', date '2026-10-22' + n % 30, timestamptz '2026-11-01'
        FROM generate_series(1, 12000) n;
    INSERT INTO payouts (id, account_id, day, block_sequence, amount_cents, transaction_id, made_at, letter, attempts,
                         next_attempt_at)
        SELECT md5('payout' || n)::uuid, md5('account' || 1 + n / 30 % 400)::uuid, date '2026-10-22' + n % 30, n, 100,
               md5('payout' || n)::uuid, timestamptz '2026-11-01',
               CASE WHEN n % 400 = 0 THEN 'pending' ELSE 'sent' END, 0, timestamptz '2026-11-01'
        FROM generate_series(1, 12000) n;
    INSERT INTO statements
        SELECT days.day, accounts.id, 0, 0, 0, 0, 0 FROM days, accounts
        WHERE days.status = 'closed' AND accounts.kind = 'employee';
"""
GUARDED = ("ledger_entries", "ledger_transactions", "days", "statements")
LEDGER = {"ledger_entries", "ledger_transactions"}
PEOPLE = 402
CLOSED_DAY = DAY - timedelta(days=15)
PAGE = PageRequest()
SOMEBODY = id_of("user7")
#: A movement and a payout were told of.
MADE = [
    MadeEvent(SOMEBODY, type, "account", 1, None, {name: str(id_of(what))}, NOON, NOON)
    for type, name, what in (
        ("billing.transaction_posted.v1", "transaction_id", "7"),
        ("billing.payout_made.v1", "payout_id", "payout7"),
    )
]


@pytest.fixture(scope="module")
def house(migrated: Callable[..., Any]) -> Iterator[House]:
    house = House(migrated("billing"))
    fill(house.settings, *(f"ALTER TABLE {table} DISABLE TRIGGER USER" for table in GUARDED), BOOKS)
    yield house
    house.dispose()


HOT = {
    "the next letter": HotQuery(
        lambda session: commands.claim_letter(session, timedelta(minutes=1)),
        {"payouts_pending_idx"},
        {"payouts", "accounts", "users"},
    ),
    "whether a letter is due": HotQuery(queries.letter_is_due, {"payouts_pending_idx"}, {"payouts"}),
    "letters whose sender died": HotQuery(
        lambda session: commands.recover_letters(session, repeatable=False),
        {"payouts_sending_idx"},
        {"payouts"},
    ),
    "letters that were not delivered": HotQuery(queries.letters_in_trouble, {"payouts_in_trouble_idx"}, {"payouts"}),
    "everybody's payouts": HotQuery(
        second_page(lambda session, page: queries.payouts(session, page=page)),
        {"payouts_day_idx"},
        {"payouts"},
    ),
    "the payouts of a day": HotQuery(
        second_page(lambda session, page: queries.payouts(session, day=CLOSED_DAY, page=page)),
        {"payouts_day_idx"},
        {"payouts"},
    ),
    "somebody's payouts": HotQuery(
        lambda session: queries.payouts(session, user_id=SOMEBODY, page=PAGE),
        {"payouts_account_id_day_block_sequence_key"},
        {"payouts", "accounts"},
        sorts=100,
    ),
    "everybody's accounts": HotQuery(
        second_page(lambda session, page: queries.accounts(session, day=DAY, page=page)),
        {"ledger_entries_business_day_idx", "ledger_transactions_pkey"},
        LEDGER,
    ),
    "somebody's account": HotQuery(
        lambda session: queries.account(session, SOMEBODY, day=DAY),
        {"ledger_entries_business_day_idx", "accounts_user_id_key"},
        {*LEDGER, "accounts", "users"},
    ),
    "somebody's log of a day": HotQuery(
        lambda session: queries.entries(session, SOMEBODY, day=DAY, page=PAGE),
        {"ledger_entries_account_idx"},
        LEDGER,
    ),
    "the report of a closed day": HotQuery(
        lambda session: queries.day_report(session, CLOSED_DAY, page=PAGE),
        {"statements_pkey"},
        {*LEDGER, "statements"},
        sorts=PEOPLE,
    ),
    "the report of the open day": HotQuery(
        lambda session: queries.day_report(session, DAY, page=PAGE),
        {"ledger_entries_business_day_idx"},
        LEDGER,
        sorts=PEOPLE,
    ),
    "what is due at the end of the open day": HotQuery(
        lambda session: queries.due_payouts(session, DAY),
        {"ledger_entries_business_day_idx"},
        LEDGER,
        sorts=PEOPLE,
    ),
    "what followed from events, on a timeline": HotQuery(
        lambda session: list(queries.steps_of_events(session, MADE)),
        {"ledger_entries_transaction_id_account_id_key", "payouts_pkey"},
        {*LEDGER, "payouts"},
    ),
    "the check of every minute": HotQuery(
        lambda session: queries.verify_day(session, DAY - timedelta(days=1)),
        {"ledger_entries_business_day_idx", "ledger_transactions_business_day_idx", "statements_pkey"},
        {*LEDGER, "payouts", "statements"},
    ),
}


@pytest.mark.parametrize("what", HOT)
def test_it_is_found_by_an_index_and_no_large_table_is_read_or_sorted_from_end_to_end(house: House, what: str) -> None:
    HOT[what].check(house.database)
