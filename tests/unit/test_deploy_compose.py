"""docker-compose.yml says the same as `make up` does."""

import json
import re
import stat
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from chassis.settings import load_settings
from deploy.compose import compose
from deploy.processes import process_names
from deploy.servers.postgres import SETTINGS
from deploy.settings import REPOSITORY, SERVICES

PROCESSES = [name for kind in ("web", "relay", "consumer", "scheduler") for name in process_names(kind)]


#: In `.env.example` and nowhere in docker-compose.yml: they are for `make up` alone, or the file says them itself.
NOT_FOR_COMPOSE = {
    "ATES_STATE_DIR": "a volume, always at the same place",
    "ATES_PG_PORT": "Postgres is reached from the containers alone",
    "ATES_AMQP_PORT": "so is RabbitMQ, but for its console",
    "ATES_RABBITMQ_SERVER": "the image says which one runs",
    "ATES_HEALTH_PORT": "each container has a fixed one",
    "ATES_RELAY_STANDBYS": "compose scales a relay by itself: --scale tracker-relay=2",
    "TRACKER_DATABASE_URL": "made of the password",
    "TRACKER_OWNER_DATABASE_URL": "made of the password",
    "TRACKER_AMQP_URL": "made of the password",
}
#: For docker compose itself, not for what runs in the containers.
NOT_FOR_PROCESSES = {"ATES_LOCK", "ATES_RABBITMQ_MANAGEMENT_PORT"}
FOR_BILLING_ALONE = {"SMTP_URL", "MAIL_FROM"}


def file_text() -> str:
    return (REPOSITORY / "docker-compose.yml").read_text()


def composed(**environment: str) -> dict[str, Any]:
    """The services of the file, with what the environment says in the place of each variable.

    That is the default in the place of `${NAME:-default}`, and "the-NAME" in that of `${NAME:?}`, which is required.
    """

    def value(found: re.Match[str]) -> str:
        name, how, default = found.groups()
        return environment.get(name) or (default if how == "-" else f"the-{name}")

    filled = re.sub(r"\$\{(\w+):([-?])([^}]*)\}", value, file_text())
    services: dict[str, Any] = yaml.safe_load(filled)["services"]
    return services


def example_variables() -> set[str]:
    """Those of `.env.example`, where the tracker's stand for those of every service."""
    return set(re.findall(r"^#?([A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))


def is_secret(name: str) -> bool:
    return name.endswith(("PASSWORD", "SECRET_KEY"))


@pytest.fixture(scope="module")
def containers() -> dict[str, Any]:
    return composed()


def told(container: dict[str, Any]) -> dict[str, str]:
    """Its environment. Docker compose fills in variables after reading the YAML: an empty one is an empty text."""
    return {name: "" if value is None else str(value) for name, value in container.get("environment", {}).items()}


@pytest.mark.parametrize("name", PROCESSES)
def test_every_process_has_a_container_that_can_read_its_settings(containers: dict[str, Any], name: str) -> None:
    service, _, kind = name.partition(".")
    container = containers[f"{service}-{kind}"]
    assert container["command"] == ["python", "-m", f"{service}_service", kind]
    settings = load_settings(service, told(container))
    assert settings.port == SERVICES[service]
    assert settings.host == "0.0.0.0"  # noqa: S104 -- inside the container; outside it is 127.0.0.1
    assert not [name for name in told(container) if "OWNER" in name]


def test_every_variable_about_traces_that_the_operator_reads_of_gets_into_the_containers() -> None:
    page = (REPOSITORY / "docs" / "operation.md").read_text()
    given = {name: f"the {name}" for name in re.findall(r"\bOTEL_\w+", page)}
    assert len(given) > 1
    containers = composed(**given)
    for name in PROCESSES:
        assert given.items() <= told(containers[name.replace(".", "-")]).items()


def test_every_variable_is_explained_and_every_explained_variable_has_an_effect() -> None:
    used = set(re.findall(r"\$\{(\w+)", file_text()))
    of_services = {name for name in used if is_secret(name) and name.split("_")[0].lower() in SERVICES}
    explained = example_variables()
    assert {re.sub("^[A-Z]+", "TRACKER", name) for name in of_services} | (used - of_services) == explained - set(
        NOT_FOR_COMPOSE
    )
    assert set(NOT_FOR_COMPOSE) <= explained


@pytest.mark.parametrize("name", PROCESSES)
def test_every_setting_gets_into_every_container_that_reads_it(name: str) -> None:
    settings = {one for one in example_variables() if not is_secret(one)} - set(NOT_FOR_COMPOSE) - NOT_FOR_PROCESSES
    if not name.startswith("billing."):
        settings -= FOR_BILLING_ALONE
    given = {one: f"the {one}" for one in settings}
    assert given.items() <= told(composed(**given)[name.replace(".", "-")]).items()


def test_a_setting_that_is_not_given_is_as_good_as_none(containers: dict[str, Any]) -> None:
    settings = load_settings("billing", told(containers["billing-web"]))
    assert settings.public_url == f"http://127.0.0.1:{SERVICES['billing']}"
    given = told(composed(ATES_URL_BILLING="https://billing.example.org")["tracker-web"])
    assert load_settings("tracker", given).public_urls["billing"] == "https://billing.example.org"


def test_no_password_and_no_key_has_a_default_and_each_service_has_its_own(containers: dict[str, Any]) -> None:
    secrets = {name: how for name, how in re.findall(r"\$\{(\w+):(.)", file_text()) if is_secret(name)}
    assert len(secrets) == 2 + 4 * len(SERVICES)
    assert set(secrets.values()) == {"?"}
    for name in PROCESSES:
        service = name.split(".")[0].upper()
        found = re.findall(r"the-(\w+)", " ".join(told(containers[name.replace(".", "-")]).values()))
        assert sorted(found) == [f"{service}_{what}" for what in ("AMQP_PASSWORD", "DATABASE_PASSWORD", "SECRET_KEY")]


def test_one_command_makes_every_password_and_key_and_keeps_those_that_are_there(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("ATES_DEMO=0\nPOSTGRES_PASSWORD=mine")
    for _ in range(2):
        subprocess.run([REPOSITORY / "deploy" / "docker" / "secrets.sh", file], check=True)
        made = dict(line.split("=") for line in file.read_text().splitlines())
    assert (made.pop("ATES_DEMO"), made["POSTGRES_PASSWORD"]) == ("0", "mine")
    assert set(made) == {name for name in re.findall(r"\$\{(\w+)", file_text()) if is_secret(name)}
    assert len(set(made.values())) == len(made) == len(file.read_text().splitlines()) - 1
    assert all(len(value) == 48 for name, value in made.items() if name != "POSTGRES_PASSWORD")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_no_two_processes_answer_probes_on_the_same_port(containers: dict[str, Any]) -> None:
    ports = [
        told(container)["ATES_HEALTH_PORT"]
        for container in containers.values()
        if "ATES_HEALTH_PORT" in told(container)
    ]
    assert len(ports) == len(set(ports)) == len(PROCESSES) - len(SERVICES)


@pytest.mark.parametrize("name", PROCESSES)
def test_a_container_is_healthy_when_its_process_says_so(containers: dict[str, Any], name: str) -> None:
    container = containers[name.replace(".", "-")]
    service, _, kind = name.partition(".")
    port, page = (SERVICES[service], "readyz") if kind == "web" else (told(container)["ATES_HEALTH_PORT"], "livez")
    assert container["healthcheck"]["test"][-1] == f"http://127.0.0.1:{port}/{page}"


def test_postgres_lets_go_of_lost_clients_and_keeps_values_out_of_its_log_as_under_make_up(
    containers: dict[str, Any],
) -> None:
    given = dict(word.removeprefix("-c").split("=") for word in containers["postgres"]["command"][1:])
    wanted = {name: value for name, value in SETTINGS.items() if name.startswith(("tcp_", "log_min", "log_error"))}
    assert len(wanted) == 6
    assert wanted.items() <= given.items()


def test_somebody_makes_again_what_is_deleted_in_rabbitmq(containers: dict[str, Any]) -> None:
    container = containers["topology"]
    assert container["command"] == ["python", "-m", "deploy.compose", "topology"]
    assert "ATES_RABBITMQ_URL" in told(container)


def test_nothing_is_reached_from_other_machines(containers: dict[str, Any]) -> None:
    published = [port for container in containers.values() for port in container.get("ports", [])]
    assert published
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_whoever_is_waited_for_exists_and_can_be_healthy(containers: dict[str, Any]) -> None:
    for container in containers.values():
        for name, how in container.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in containers[name]


def test_the_definitions_have_the_passwords_of_the_urls(
    containers: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in told(containers["definitions"]).items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "definitions.json"
    result = CliRunner().invoke(compose, ["definitions", str(file)], catch_exceptions=False)
    assert result.exit_code == 0
    written = json.loads(file.read_text())
    assert [user["name"] for user in written["users"]] == ["ates", *SERVICES]
    assert written["vhosts"] == [{"name": "ates"}]


def test_the_setup_knows_the_owners_and_everything_that_seeding_needs(containers: dict[str, Any]) -> None:
    variables = told(containers["databases"])
    for service in SERVICES:
        load_settings(service, variables)
        assert variables[f"{service.upper()}_OWNER_DATABASE_URL"].endswith(f"/ates_{service}")
    assert variables["ATES_POSTGRES_URL"].startswith("postgresql://postgres:")


def is_let_into_the_image(name: str) -> bool:
    """Read .dockerignore as Docker does: the last pattern that fits decides."""
    patterns = (REPOSITORY / ".dockerignore").read_text().split()
    decisive = [pattern for pattern in patterns if fnmatchcase(name, pattern.removeprefix("!"))][-1:]
    return decisive == [] or decisive[0].startswith("!")


def test_the_image_has_every_package_that_a_container_runs_and_nothing_private() -> None:
    assert "\nCOPY . .\n" in (REPOSITORY / "Dockerfile").read_text()
    for package in ("messaging", "chassis", "deploy", "event_schemas", *(f"{name}_service" for name in SERVICES)):
        assert is_let_into_the_image(package), package
    for private in (".env", ".git", "var", ".venv", "tests"):
        assert not is_let_into_the_image(private), private
