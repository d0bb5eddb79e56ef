"""Run the benchmarks and print a Markdown table for docs/benchmarks.md: `python -m tests.benchmarks [name ...]`."""

import logging
import os
import platform
import sys
from collections.abc import Callable

from tests.benchmarks.latency import latency_from_commit_to_ledger
from tests.benchmarks.relay import relay_beside_the_naive_way
from tests.benchmarks.servers import Servers, running_servers

BENCHMARKS: dict[str, Callable[[Servers], list[tuple[str, str]]]] = {
    "relay": relay_beside_the_naive_way,
    "latency": latency_from_commit_to_ledger,
}


def main() -> None:
    """Run those named, or all."""
    logging.basicConfig(level=logging.ERROR)
    chosen = sys.argv[1:] or list(BENCHMARKS)
    write = sys.stdout.write
    with running_servers() as servers:
        write(f"{os.cpu_count()} cores, Python {platform.python_version()}, {servers.versions}\n\n")
        write("| what | figure |\n|---|---|\n")
        for name in chosen:
            for what, figure in BENCHMARKS[name](servers):
                write(f"| {what} | {figure} |\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
