"""The command behind `make demo`."""

import fcntl
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from random import Random

import click

from chassis.files import keep_files_private
from deploy.cli.running import running_system
from deploy.demo.clock import Clock
from deploy.demo.people import Company, founders, gather, of_role
from deploy.demo.stage import Stage
from deploy.demo.story import Story
from deploy.errors import DeployError
from deploy.run_file import Run
from deploy.settings import REPOSITORY, load_deployment

#: Requests under way at once: more would only wait for each other in the services.
_AT_ONCE = 8
#: A month as short as that does not wait for nine attempts to deliver a letter.
_SHORT = 20
#: As a shell has it of a program that SIGINT has ended.
_INTERRUPTED = 130


@click.command("demo")
@click.option("--days", "days", type=click.IntRange(1, 366), default=30, show_default=True, help="How many pass.")
@click.option("--people", type=click.IntRange(2, 200), default=40, show_default=True, help="How many parrots join.")
def demo(*, days: int, people: int) -> None:
    """Drive a running system through a busy month.

    It goes on from where the clock is: run it again, and the next month follows. ATES_STATE_DIR says which system.
    """
    keep_files_private()
    try:
        run = running_system()
        with _alone(load_deployment().state_dir):
            _tell(run, days, people)
    except DeployError as error:
        raise click.ClickException(str(error)) from error


def _tell(run: Run, days: int, people: int) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="demo") as pool, Stage(people + days) as stage:
        try:
            company = _drive(run, days, people, pool, stage)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    click.echo(f"\n{days} days in {time.monotonic() - began:.0f} seconds.\n")
    right = subprocess.run([sys.executable, "-m", "deploy.cli", "verify"], cwd=REPOSITORY, check=False).returncode == 0
    click.echo(_what_to_look_at(run, company))
    raise SystemExit(0 if right else 1)


def _drive(run: Run, days: int, people: int, pool: Executor, stage: Stage) -> Company:
    clock = Clock(of_role(founders(run), "admin"), pool)
    try:
        stage.show("parrots join")
        company = gather(run, people, load_deployment().state_dir / "beaks", pool, stage.step)
        story = Story(run, company, clock, pool, Random(), stage)
        story.tell(days)
        if days >= _SHORT:
            story.wait_until_a_letter_is_given_up()
    except KeyboardInterrupt:
        pool.shutdown(cancel_futures=True)
        clock.even_out()
        stage.tell(f"Stopped at {clock.now:%d %b %H:%M}. Run it again, and it goes on from there.")
        raise SystemExit(_INTERRUPTED) from None
    return company


@contextmanager
def _alone(state_dir: Path) -> Iterator[None]:
    """Let only one demonstration drive the system. Raises DeployError."""
    with (state_dir / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DeployError("Another demonstration drives this system already.") from error
        yield


def _what_to_look_at(run: Run, company: Company) -> str:
    tracker, billing, analytics = (run.services[name] for name in ("tracker", "billing", "analytics"))
    places = (
        ("everybody's tasks", f"{tracker}/tasks"),
        ("what a reassignment cost", f"{tracker}/reassignments"),
        ("the days, each with its report", f"{billing}/days"),
        ("who is in the red", f"{billing}/accounts"),
        ("letters that could not be sent", f"{billing}/payouts"),
        ("the management's income", f"{billing}/income"),
        ("the same for the management", f"{analytics}/"),
        ("the dead letters of three kinds", f"{billing}/messages"),
    )
    rows = "\n".join(f"  {what:<36} {where}" for what, where in places)
    worker = of_role(list(company.workers.values()), "popug")
    return (
        f"\nWhat to look at, as {company.admin.name} ({company.admin.beak}):\n\n{rows}\n\n"
        f"And as {worker.name} ({worker.beak}):\n\n  {'own tasks, news and money':<36} {tracker}/\n"
    )


if __name__ == "__main__":
    demo(prog_name="make demo")
