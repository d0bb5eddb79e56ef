"""Run the benchmarks and print a Markdown table for docs/benchmarks.md: `python -m tests.benchmarks [name ...]`."""

import logging
import os
import platform
import sys
from collections.abc import Callable

from tests.benchmarks.billing import billing_in_batches_beside_one_by_one
from tests.benchmarks.business import latency_from_commit_to_ledger
from tests.benchmarks.consumer import consumer_beside_the_naive_way
from tests.benchmarks.latency import latency_beside_the_naive_way
from tests.benchmarks.lists import lists_among_many_tasks
from tests.benchmarks.reassign import a_run_over_everything
from tests.benchmarks.rebuild import rebuild_from_all_events
from tests.benchmarks.relay import (
    a_hot_aggregate_beside_the_naive_way,
    a_million_pending_beside_ten_thousand,
    relay_beside_the_naive_way,
)
from tests.benchmarks.servers import Servers, running_servers
from tests.benchmarks.trouble import events_in_trouble
from tests.benchmarks.weight import weight_of_an_idle_system
from tests.benchmarks.working_day import a_working_day
from tests.benchmarks.writer import a_request_with_an_event_beside_one_without

BENCHMARKS: dict[str, Callable[[Servers], list[tuple[str, str]]]] = {
    "relay": relay_beside_the_naive_way,
    "hot": a_hot_aggregate_beside_the_naive_way,
    "consumer": consumer_beside_the_naive_way,
    "latency": latency_beside_the_naive_way,
    "writer": a_request_with_an_event_beside_one_without,
    "million": a_million_pending_beside_ten_thousand,
    "billing": billing_in_batches_beside_one_by_one,
    "rebuild": rebuild_from_all_events,
    "trouble": events_in_trouble,
    "lists": lists_among_many_tasks,
    "reassign": a_run_over_everything,
    "business": latency_from_commit_to_ledger,
}
#: Of the system as `make up` starts it, with servers of its own.
WHOLE: dict[str, Callable[[], list[tuple[str, str]]]] = {
    "weight": weight_of_an_idle_system,
    "users": a_working_day,
}


def main() -> None:
    """Run those named, or all."""
    logging.basicConfig(level=logging.ERROR)
    os.environ.setdefault("ATES_LOG_LEVEL", "ERROR")  # of the processes that are measured: their words are not figures
    chosen = sys.argv[1:] or [*BENCHMARKS, *WHOLE]
    for name in [name for name in chosen if name in WHOLE]:
        _write(WHOLE[name]())
    chosen = [name for name in chosen if name in BENCHMARKS]
    write = sys.stdout.write
    for name in chosen:
        with running_servers() as servers:  # of its own: what one benchmark leaves to be flushed is not the next one's
            if name == chosen[0]:
                write(f"{os.cpu_count()} cores, Python {platform.python_version()}, {servers.versions}\n\n")
                write("| what | figure |\n|---|---|\n")
            _write(BENCHMARKS[name](servers))


def _write(rows: list[tuple[str, str]]) -> None:
    for what, figure in rows:
        sys.stdout.write(f"| {what} | {figure} |\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
