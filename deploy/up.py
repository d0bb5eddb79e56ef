"""`make up`: start everything, say where it is, keep it alive, and stop it at Ctrl-C.

Run as `python -m deploy.up`; `--for-make` ties its life to that of the make that started it.
"""

import argparse
import sys

from chassis.files import keep_files_private
from deploy import parent
from deploy.console import say
from deploy.errors import DeployError
from deploy.files import close_to_others
from deploy.lock import StateLock
from deploy.run_file import Run
from deploy.settings import Deployment, load_deployment
from deploy.supervisor import StopRequested
from deploy.system import System


def main() -> int:
    """Run the system; return 0 when it was stopped as asked, 1 when it could not start."""
    keep_files_private()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr] # a log is to show what happens when it does
    arguments = argparse.ArgumentParser(prog="deploy.up", description="Run aTES until Ctrl-C.")
    arguments.add_argument("--for-make", action="store_true", help="stop when the make that started this does")
    for_make: bool = arguments.parse_args().for_make
    try:
        return _run(load_deployment(), for_make=for_make)
    except DeployError as error:
        print(f"\n{error}\n", file=sys.stderr)
        return 1


def _run(deployment: Deployment, *, for_make: bool) -> int:
    lock = StateLock(deployment.state_dir)
    lock.acquire()
    close_to_others(deployment.state_dir)
    lock.end_orphans()
    system = System(deployment, lock)
    system.supervisor.stop_on_signals()
    if for_make:
        system.supervisor.stop_when(parent.has_given_up())
    try:
        say("Starting Postgres, RabbitMQ and the services ...")
        run = system.bring_up()
        say(_welcome(run, deployment))
        system.keep_up()
    except StopRequested:
        pass
    finally:
        say("Stopping ...")
        try:
            system.bring_down()
        finally:
            lock.release()
    say("Stopped. The data stays; the next `make up` goes on with it.")
    return 0


def _welcome(run: Run, deployment: Deployment) -> str:
    rows = [f"  {service:<10} {url}" for service, url in run.services.items()]
    console = f"  {'RabbitMQ':<10} {run.rabbitmq['management']}   {run.rabbitmq['user']} / {run.rabbitmq['password']}"
    return "\n".join(
        [
            "",
            "aTES is ready.",
            "",
            *rows,
            console,
            "",
            *_how_to_sign_in(run),
            "",
            f"Logs: {deployment.logs_dir}   All addresses and passwords: {deployment.state_dir / 'run.json'}",
            "Ctrl-C stops everything.",
        ]
    )


def _how_to_sign_in(run: Run) -> list[str]:
    door = f"To sign in, open {run.services['tracker']} and show a beak"
    if run.people:
        people = [f"  {person['role']:<10} {person['name']:<24} {person['beak']}" for person in run.people]
        return [f"{door}: choose one of these pictures.", "", *people]
    return [
        f"{door}. An administrator enrols those of the others. The first one is made here:",
        "",
        "  ./ates users create-admin --name NAME --email ADDRESS --beak PHOTO",
    ]


if __name__ == "__main__":
    sys.exit(main())
