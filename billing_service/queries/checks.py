"""The questions that the books have to answer with nothing: each returns a line of `detail` for every fault.

Everything is computed anew from the entries, by other ways than those that wrote them.
"""

from dataclasses import dataclass

from sqlalchemy import TextClause, text

from billing_service.errors import N_


@dataclass(frozen=True)
class Check:
    """A question, and what is wrong with the books if there is an answer."""

    fault: str
    sql: TextClause
    #: It can be asked of a single day, `:day`; of all days when that is NULL.
    of_a_day: bool = False


CHECKS = (
    Check(
        N_("the ledger does not sum to zero"),
        text(
            """
            SELECT 'all entries sum to ' || sum(amount_cents) || ' cents' AS detail
            FROM ledger_entries HAVING sum(amount_cents) <> 0
            """
        ),
    ),
    Check(
        N_("a transaction does not sum to zero"),
        text(
            """
            SELECT movement.id || ': ' || count(entry.id) || ' entries, ' || coalesce(sum(amount_cents), 0) || ' cents'
                AS detail
            FROM ledger_transactions movement
            LEFT JOIN ledger_entries entry
                ON entry.transaction_id = movement.id AND entry.business_day = movement.business_day
            WHERE CAST(:day AS date) IS NULL OR movement.business_day = :day
            GROUP BY movement.id HAVING count(entry.id) < 2 OR sum(amount_cents) <> 0
            """
        ),
        of_a_day=True,
    ),
    Check(
        N_("an account's balance is not the sum of its entries"),
        text(
            """
            SELECT account.id || ': balance ' || balance_cents || ', entries ' || coalesce(sum(amount_cents), 0)
                AS detail
            FROM accounts account LEFT JOIN ledger_entries entry ON entry.account_id = account.id
            WHERE kind = 'employee' GROUP BY account.id HAVING balance_cents <> coalesce(sum(amount_cents), 0)
            """
        ),
    ),
    Check(
        N_("an entry's balance is not the one before it plus its amount"),
        text(
            """
            SELECT account_id || ': entry ' || id AS detail FROM (
                SELECT entry.id, entry.account_id, balance_after_cents,
                       sum(amount_cents) OVER (PARTITION BY entry.account_id ORDER BY entry.id) AS expected
                FROM ledger_entries entry
                JOIN accounts account ON account.id = entry.account_id AND kind = 'employee'
            ) running WHERE balance_after_cents IS DISTINCT FROM expected
            """
        ),
    ),
    Check(
        N_("a fee or a reward is not the task's price"),
        text(
            """
            SELECT movement.id || ': ' || entry.amount_cents || ' cents' AS detail
            FROM ledger_transactions movement
            JOIN tasks task ON task.task_id = movement.task_id
            JOIN ledger_entries entry ON entry.transaction_id = movement.id
            JOIN accounts account ON account.id = entry.account_id AND account.kind = 'employee'
            WHERE movement.kind IN ('fee', 'reward')
              AND entry.amount_cents <> CASE movement.kind WHEN 'fee' THEN -task.fee_cents ELSE task.reward_cents END
            """
        ),
    ),
    Check(
        N_("an assignment was charged or a task was rewarded twice"),
        text(
            """
            SELECT kind || ' of task ' || task_id || coalesce(', assignment ' || assignment_no, '') AS detail
            FROM ledger_transactions WHERE kind IN ('fee', 'reward')
            GROUP BY kind, task_id, assignment_no HAVING count(*) > 1
            """
        ),
    ),
    Check(
        N_("a payout is not what the ledger says"),
        text(
            """
            SELECT coalesce('payout ' || payout.id, 'transaction ' || movement.id) AS detail
            FROM (
                SELECT * FROM ledger_transactions
                WHERE kind = 'payout' AND (CAST(:day AS date) IS NULL OR business_day = :day)
            ) movement
            FULL JOIN (
                SELECT * FROM payouts WHERE CAST(:day AS date) IS NULL OR day = :day
            ) payout ON payout.transaction_id = movement.id
            LEFT JOIN ledger_entries entry
                ON entry.transaction_id = movement.id AND entry.account_id = payout.account_id
            WHERE payout.id IS NULL OR movement.id IS NULL OR payout.day <> movement.business_day
               OR payout.amount_cents IS DISTINCT FROM -entry.amount_cents
            """
        ),
        of_a_day=True,
    ),
    Check(
        N_("an entry is in another day than its transaction, or in no day"),
        text(
            """
            SELECT 'entry ' || entry.id AS detail FROM ledger_entries entry
            LEFT JOIN ledger_transactions movement ON movement.id = entry.transaction_id
            LEFT JOIN days ON days.day = entry.business_day
            WHERE movement.business_day IS DISTINCT FROM entry.business_day OR days.day IS NULL
            """
        ),
    ),
    Check(
        N_("something was posted into a day after it was closed"),
        text(
            """
            SELECT movement.id || ' in ' || movement.business_day AS detail
            FROM ledger_transactions movement JOIN days ON days.day = movement.business_day
            WHERE days.closed_at < movement.posted_at AND (CAST(:day AS date) IS NULL OR days.day = :day)
            """
        ),
        of_a_day=True,
    ),
    Check(
        N_("a day is missing, or was closed before an earlier one"),
        text(
            """
            SELECT day::text AS detail FROM (
                SELECT day, status, lag(day) OVER (ORDER BY day) AS before,
                       lag(status) OVER (ORDER BY day) AS status_before
                FROM days
            ) line WHERE day - before > 1 OR (status = 'closed' AND status_before = 'open')
            """
        ),
    ),
    Check(
        N_("the management's income of a day is not its fees minus its rewards"),
        text(
            """
            SELECT days.day || ': ' || fees_cents || ' and ' || rewards_cents || ', entries '
                   || coalesce(fees, 0) || ' and ' || coalesce(rewards, 0) AS detail
            FROM days LEFT JOIN (
                SELECT movement.business_day,
                       sum(amount_cents) FILTER (WHERE movement.kind = 'fee') AS fees,
                       -sum(amount_cents) FILTER (WHERE movement.kind = 'reward') AS rewards
                FROM ledger_transactions movement
                JOIN ledger_entries entry
                    ON entry.transaction_id = movement.id AND entry.business_day = movement.business_day
                JOIN accounts account ON account.id = entry.account_id AND account.kind = 'company'
                WHERE CAST(:day AS date) IS NULL OR movement.business_day = :day
                GROUP BY movement.business_day
            ) posted ON posted.business_day = days.day
            WHERE (fees_cents, rewards_cents) <> (coalesce(fees, 0), coalesce(rewards, 0))
              AND (CAST(:day AS date) IS NULL OR days.day = :day)
            """
        ),
        of_a_day=True,
    ),
    Check(
        N_("a statement is not what the ledger says"),
        text(
            """
            SELECT coalesce(line.account_id, moved.account_id) || ' on ' || coalesce(line.day, moved.business_day)
                AS detail
            FROM (
                SELECT * FROM statements WHERE CAST(:day AS date) IS NULL OR day = :day
            ) line
            FULL JOIN (
                SELECT entry.account_id, entry.business_day,
                       -sum(amount_cents) FILTER (WHERE movement.kind = 'fee') AS fees,
                       sum(amount_cents) FILTER (WHERE movement.kind = 'reward') AS rewards,
                       sum(amount_cents) FILTER (WHERE movement.kind = 'correction') AS corrections,
                       -sum(amount_cents) FILTER (WHERE movement.kind = 'payout') AS payout
                FROM ledger_transactions movement
                JOIN ledger_entries entry
                    ON entry.transaction_id = movement.id AND entry.business_day = movement.business_day
                JOIN accounts account ON account.id = entry.account_id AND account.kind = 'employee'
                JOIN days ON days.day = movement.business_day AND days.status = 'closed'
                WHERE CAST(:day AS date) IS NULL OR movement.business_day = :day
                GROUP BY entry.account_id, entry.business_day
            ) moved ON moved.account_id = line.account_id AND moved.business_day = line.day
            WHERE line.day IS NULL
               OR (fees_cents, rewards_cents, corrections_cents, payout_cents)
                  <> (coalesce(fees, 0), coalesce(rewards, 0), coalesce(corrections, 0), coalesce(payout, 0))
            """
        ),
        of_a_day=True,
    ),
    Check(
        N_("a statement does not begin with what the one before it left"),
        text(
            """
            SELECT line.account_id || ' on ' || line.day AS detail
            FROM statements line
            JOIN statements before ON before.account_id = line.account_id AND before.day = line.day - 1
            WHERE line.opening_cents <> before.opening_cents + before.rewards_cents - before.fees_cents
                                        + before.corrections_cents - before.payout_cents
              AND (CAST(:day AS date) IS NULL OR line.day = :day AND before.day = CAST(:day AS date) - 1)
            """
        ),
        of_a_day=True,
    ),
    Check(
        N_("a closed day left a positive balance unpaid"),
        text(
            """
            SELECT account_id || ' at the end of ' || business_day || ': ' || left_over || ' cents' AS detail FROM (
                SELECT account_id, business_day,
                       sum(sum(amount_cents)) OVER (PARTITION BY account_id ORDER BY business_day) AS left_over
                FROM ledger_entries GROUP BY account_id, business_day
            ) ended
            JOIN days ON days.day = business_day AND days.status = 'closed'
            JOIN accounts account ON account.id = account_id AND account.kind = 'employee'
            WHERE left_over > 0
            """
        ),
    ),
)

#: What only a single closed day is asked, without going through all of history.
CHECKS_OF_A_DAY = (
    Check(
        N_("a closed day left a positive balance unpaid"),
        text(
            """
            SELECT account.id || ' at the end of ' || CAST(:day AS date) || ': '
                   || account.balance_cents - coalesce(later.cents, 0) || ' cents' AS detail
            FROM accounts account
            LEFT JOIN (SELECT account_id, sum(amount_cents) AS cents FROM ledger_entries
                       WHERE business_day > :day GROUP BY account_id) later ON later.account_id = account.id
            WHERE account.kind = 'employee' AND account.balance_cents - coalesce(later.cents, 0) > 0
            """
        ),
        of_a_day=True,
    ),
    *(check for check in CHECKS if check.of_a_day),
)
