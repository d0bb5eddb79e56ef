"""What people are charged, paid and corrected by."""

from collections.abc import Sequence
from uuid import UUID, uuid4, uuid5

from sqlalchemy import Row, text
from sqlalchemy.orm import Session

from billing_service.commands.books import Books
from billing_service.commands.opening import open_accounts_at_first_sight
from billing_service.commands.posting import Movement, post
from billing_service.domain import ledger
from billing_service.errors import N_, AccountNotFound, InvalidCorrection, KeyUsedOtherwise, PostedOtherwise
from chassis.input.amounts import is_amount
from chassis.input.text import is_text, is_visible, tidy

NOTE_LENGTH = 500

#: The transaction of a correction is named after its Idempotency-Key, so that a repeated request finds it.
_CORRECTIONS = UUID("6f2f6d2e-7a39-4b5e-9d0b-0c0ffee0ba4c")

#: By each of the ledger's unique keys: what stands in the books where a movement was to be posted once more.
_TWINS = text(
    """
    SELECT wanted.place, account.user_id, entry.amount_cents, twin.note
    FROM unnest(CAST(:ids AS uuid[]), CAST(:kinds AS text[]), CAST(:task_ids AS uuid[]), CAST(:assignment_nos AS int[]))
        WITH ORDINALITY AS wanted (id, kind, task_id, assignment_no, place)
    CROSS JOIN LATERAL (
        SELECT id, note FROM ledger_transactions WHERE id = wanted.id
        UNION SELECT id, note FROM ledger_transactions
            WHERE kind = 'fee' AND wanted.kind = 'fee'
              AND task_id = wanted.task_id AND assignment_no = wanted.assignment_no
        UNION SELECT id, note FROM ledger_transactions
            WHERE kind = 'reward' AND wanted.kind = 'reward' AND task_id = wanted.task_id
    ) twin
    JOIN ledger_entries entry ON entry.transaction_id = twin.id
    JOIN accounts account ON account.id = entry.account_id AND account.kind = 'employee'
    """
)


def post_for_tasks(session: Session, books: Books, movements: Sequence[Movement]) -> None:
    """Post fees and rewards, each once, however often this is asked for; open the accounts of people not heard of.

    Raises PostedOtherwise where the books have something else under the same key.
    """
    open_accounts_at_first_sight(session, books, {movement.user_id: movement.cause for movement in reversed(movements)})
    posted = {one.movement.id for one in post(session, books, movements)}
    copies = [movement for movement in movements if movement.id not in posted]
    for movement, twin in _twins(session, copies):
        asked = (movement.user_id, movement.transaction.employee.amount_cents)
        if asked != (twin.user_id, twin.amount_cents):
            which = "" if movement.assignment_no is None else f", assignment {movement.assignment_no},"
            what = f"{movement.transaction.kind} of task {movement.task_id}{which}"
            raise PostedOtherwise(what, posted=(twin.user_id, twin.amount_cents), asked=asked)


def post_correction(
    session: Session, books: Books, *, user_id: UUID, amount_cents: int, note: str, by: UUID, key: str | None = None
) -> UUID:
    """Correct an employee's balance by a new movement, positive in their favour; return its id.

    Money already paid out or charged stays in the log as it is. The same `key` of the same person posts once.
    Raises AccountNotFound, InvalidCorrection, KeyUsedOtherwise.
    """
    note = tidy(note)
    errors = {}
    if amount_cents == 0:
        errors["amount_cents"] = [N_("A correction of zero changes nothing.")]
    elif not is_amount(amount_cents):
        errors["amount_cents"] = [N_("No more than $1,000,000 can be posted at once.")]
    if len(note) > NOTE_LENGTH or not is_text(note) or not is_visible(note):
        errors["note"] = [N_("Give the reason, in up to 500 characters.")]
    if errors:
        raise InvalidCorrection(errors)
    transaction_id = uuid4() if key is None else uuid5(_CORRECTIONS, f"{by}/{key}")
    correction = Movement(
        transaction=ledger.correction(amount_cents), user_id=user_id, id=transaction_id, note=note, made_by=by
    )
    if not post(session, books, [correction]):
        twins = _twins(session, [correction])
        if not twins:
            raise AccountNotFound
        [(_, twin)] = twins
        if (twin.user_id, twin.amount_cents, twin.note) != (user_id, amount_cents, note):
            raise KeyUsedOtherwise
    return transaction_id


def _twins(session: Session, movements: Sequence[Movement]) -> list[tuple[Movement, Row[tuple[int, UUID, int, str]]]]:
    """Return what is posted under the keys of these movements."""
    if not movements:
        return []
    rows = session.execute(
        _TWINS,
        {
            "ids": [str(movement.id) for movement in movements],
            "kinds": [movement.transaction.kind.value for movement in movements],
            "task_ids": [movement.task_id and str(movement.task_id) for movement in movements],
            "assignment_nos": [movement.assignment_no for movement in movements],
        },
    )
    return [(movements[row.place - 1], row) for row in rows]
