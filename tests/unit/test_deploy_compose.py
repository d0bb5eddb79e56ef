"""docker-compose.yml says the same as `make up` does, and is what the Compose Specification allows."""

import json
import re
import shutil
import stat
import subprocess
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from chassis.settings import load_settings
from deploy.compose import compose
from deploy.liveness import Patience
from deploy.processes import KINDS, process_names
from deploy.servers.postgres import SETTINGS
from deploy.settings import REPOSITORY, SERVICES
from tests.compose_file import TEXT, composed, is_ours, make_secrets, of_the_image, told

#: Without those that stand by: a second container of the same service does that.
PROCESSES = [name for kind in KINDS if not kind.endswith("standby") for name in process_names(kind)]
DOCKER = REPOSITORY / "deploy" / "docker"
SCHEMA = Path(__file__).parents[1] / "contract" / "vendor" / "compose-spec" / "compose-spec.json"

#: In `.env.example` and nowhere in docker-compose.yml: they are for `make up` alone, or image and secrets say them.
NOT_FOR_COMPOSE = {
    "ATES_STATE_DIR": "a volume, always at the same place",
    "ATES_SECRETS_DIR": "always where compose mounts secrets",
    "ATES_PG_PORT": "Postgres is reached from the containers alone",
    "ATES_AMQP_PORT": "so is RabbitMQ, but for its console",
    "ATES_RABBITMQ_SERVER": "the image says which one runs",
    "ATES_LISTEN_PORT": "the same in each container",
    "ATES_HEALTH_PORT": "the same in each container",
    "ATES_RELAY_STANDBYS": "compose scales a relay by itself: --scale tracker-relay=2",
    "TRACKER_DATABASE_URL": "a secret",
    "TRACKER_OWNER_DATABASE_URL": "a secret",
    "TRACKER_AMQP_URL": "a secret",
    "TRACKER_SECRET_KEY": "a secret",
}
#: The file itself says them.
SAID_BY_COMPOSE = {f"ATES_INTERNAL_URL_{name.upper()}" for name in SERVICES}
FOR_BILLING_ALONE = {"SMTP_URL", "MAIL_FROM"}


def example_variables() -> set[str]:
    """Those of `.env.example`, where the tracker's stand for those of every service."""
    return set(re.findall(r"^#?([A-Z_]+)=", (REPOSITORY / ".env.example").read_text(), re.MULTILINE))


@pytest.fixture(scope="module")
def containers() -> dict[str, Any]:
    return composed()


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_secrets(tmp_path_factory.mktemp("secrets"))


def variables(container: dict[str, Any], secrets: dict[str, str]) -> dict[str, str]:
    """All that a process in the container is told: by the image, by the file, and by its secrets."""
    from_files = {name.upper(): secrets[name] for name in container.get("secrets", [])}
    return of_the_image() | from_files | {name: value for name, value in told(container).items() if value}


def test_the_specification_allows_the_file_and_what_goes_beside_it() -> None:
    validator = Draft202012Validator(json.loads(SCHEMA.read_text()))
    for file in (REPOSITORY / "docker-compose.yml", DOCKER / "cluster.yml"):
        faults = [
            f"{list(error.path)}: {error.message}" for error in validator.iter_errors(yaml.safe_load(file.read_text()))
        ]
        assert faults == []


@pytest.mark.parametrize("name", PROCESSES)
def test_every_process_has_a_container_that_can_read_its_settings(
    containers: dict[str, Any], secrets: dict[str, str], name: str
) -> None:
    service, _, kind = name.partition(".")
    container = containers[f"{service}-{kind}"]
    assert container["command"] == ["python", "-m", f"{service}_service", kind]
    settings = load_settings(service, variables(container, secrets))
    assert (settings.host, settings.port, settings.health_port) == ("0.0.0.0", 8000, 8000)  # noqa: S104 -- inside
    assert settings.public_url == f"http://127.0.0.1:{SERVICES[service]}"
    assert settings.internal_urls["auth"] == "http://auth-web:8000"
    assert settings.database_url == secrets[f"{service}_database_url"]


@pytest.mark.parametrize("name", PROCESSES)
def test_a_container_sees_the_secrets_of_its_own_service_alone(containers: dict[str, Any], name: str) -> None:
    service = name.split(".")[0]
    own = {f"{service}_{what}" for what in ("database_url", "amqp_url", "secret_key")}
    assert set(containers[name.replace(".", "-")]["secrets"]) - {"smtp_url"} == own


def test_no_password_and_no_key_stands_in_the_file(secrets: dict[str, str]) -> None:
    named = yaml.safe_load(TEXT)["secrets"]
    assert set(named) | {"rabbitmq_erlang_cookie"} == set(secrets)
    assert all(each == {"file": f"secrets/{name}"} for name, each in named.items())
    assert not re.findall(r"\w*(?:PASSWORD|SECRET_KEY)\w*:(?! /run/secrets/)", TEXT)
    assert "://" not in "".join(re.findall(r"\w+_(?:DATABASE|AMQP)_URL.*", TEXT))


def test_one_command_makes_every_password_and_key_and_keeps_those_that_are_there(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir(mode=0o755)
    (folder / "postgres_password").write_text("mine")
    made = make_secrets(folder)
    assert make_secrets(folder) == made
    assert made["ates_postgres_url"] == "postgresql://postgres:mine@postgres:5432/postgres"
    random = [text for value in made.values() for text in re.findall(r"\b[0-9a-f]{48}\b", value)]
    assert len(random) == len(set(random)) == 3 + 4 * len(SERVICES)
    assert made["smtp_url"] == ""
    # The folder keeps others out, so that whoever runs in a container can read what is mounted from it.
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o644}


def test_the_password_that_postgres_was_made_with_is_taken_over_from_where_it_once_stood(tmp_path: Path) -> None:
    script = tmp_path / "deploy" / "docker" / "secrets.sh"
    script.parent.mkdir(parents=True)
    shutil.copy(DOCKER / "secrets.sh", script)
    (tmp_path / ".env").write_text("ATES_DEMO=0\nPOSTGRES_PASSWORD=grown-old\n")
    subprocess.run([script], check=True)
    assert (tmp_path / "secrets" / "postgres_password").read_text() == "grown-old\n"
    assert ":grown-old@" in (tmp_path / "secrets" / "ates_postgres_url").read_text()


def test_prometheus_keeps_our_label_of_a_job_that_the_alerts_name() -> None:
    (scraped,) = yaml.safe_load((DOCKER / "observability" / "prometheus.yml").read_text())["scrape_configs"]
    assert 'job="close_days"' in (DOCKER / "observability" / "alerts.yml").read_text()
    assert scraped["honor_labels"] is True


def test_a_container_counts_as_hung_after_as_many_answers_as_a_process_of_make_up(containers: dict[str, Any]) -> None:
    script, patience = (DOCKER / "healthy.sh").read_text(), Patience()
    assert f"answers /livez {patience.every:.0f};" in script
    assert re.findall(r"limit=(\d+)", script) == [str(patience.bad_answers_at_first), str(patience.bad_answers)]
    checks = [each["healthcheck"] for each in containers.values() if "deploy/docker/healthy.sh" in str(each)]
    assert {check["interval"] for check in checks} == {f"{patience.every:.0f}s"}
    assert {check["timeout"] for check in checks} == {f"{patience.every + 5:.0f}s"}  # /readyz is asked after it


def test_every_variable_is_explained_and_every_explained_variable_has_an_effect() -> None:
    used = set(re.findall(r"\$\{(\w+)", TEXT)) | SAID_BY_COMPOSE
    assert used == example_variables() - set(NOT_FOR_COMPOSE)
    assert set(NOT_FOR_COMPOSE) <= example_variables()


@pytest.mark.parametrize("name", PROCESSES)
def test_every_setting_gets_into_every_container_that_reads_it(name: str) -> None:
    settings = example_variables() - set(NOT_FOR_COMPOSE) - SAID_BY_COMPOSE
    if not name.startswith("billing."):
        settings -= FOR_BILLING_ALONE
    given = {one: f"the {one}" for one in settings}
    assert given.items() <= told(composed(**given)[name.replace(".", "-")]).items()


def test_every_variable_about_traces_that_the_operator_reads_of_gets_into_the_containers() -> None:
    page = (REPOSITORY / "docs" / "operation.md").read_text()
    given = {name: f"the {name}" for name in re.findall(r"\bOTEL_\w+", page)}
    assert len(given) > 1
    containers = composed(**given)
    for name in PROCESSES:
        assert given.items() <= told(containers[name.replace(".", "-")]).items()


def test_the_demo_company_is_there_only_where_it_is_asked_for(containers: dict[str, Any]) -> None:
    demo = dict(line.split("=", 1) for line in (DOCKER / "demo.env").read_text().splitlines() if line[0] != "#")
    assert demo.pop("COMPOSE_PROFILES") == "demo"
    assert {told(each)["ATES_DEMO"] for each in containers.values() if "ATES_DEMO" in told(each)} == {"0"}
    assert {told(each)["ATES_DEMO"] for each in composed(**demo).values() if "ATES_DEMO" in told(each)} == {"1"}
    assert told(containers["billing-consumer"])["SMTP_URL"] == ""
    assert containers["mailpit"]["profiles"] == ["demo"]


def test_images_are_those_of_one_version(containers: dict[str, Any]) -> None:
    stages = re.findall(r"^FROM (\S+)", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    images = {each["image"] for each in containers.values() if not is_ours(each)} | set(stages)
    assert all(re.search(r":v?\d+\.\d+", image) for image in images), images


def test_our_containers_can_do_little(containers: dict[str, Any]) -> None:
    ours = [each for each in containers.values() if is_ours(each)]
    assert ours
    for each in ours:
        assert each["read_only"] is True
        assert each["cap_drop"] == ["ALL"]
        assert each["security_opt"] == ["no-new-privileges:true"]
    assert "\nUSER ates\n" in (REPOSITORY / "Dockerfile").read_text()


def test_a_hung_process_is_ended_after_as_long_as_under_make_up(containers: dict[str, Any]) -> None:
    check, patience = containers["tracker-relay"]["healthcheck"], Patience()
    every = int(check["interval"].removesuffix("s"))
    script = (DOCKER / check["test"][-1].rpartition("/")[2]).read_text()
    at_first, later = (int(number) for number in re.findall(r"limit=(\d+)", script))
    assert at_first * every == patience.bad_answers_at_first * patience.every
    assert later * every == patience.bad_answers * patience.every
    assert "/dev/tcp/127.0.0.1/8000" in script


@pytest.mark.parametrize("name", PROCESSES)
def test_every_process_is_asked_how_it_is(containers: dict[str, Any], name: str) -> None:
    assert containers[name.replace(".", "-")]["healthcheck"]["test"] == ["CMD", "deploy/docker/healthy.sh"]


def test_postgres_lets_go_of_lost_clients_and_keeps_values_out_of_its_log_as_under_make_up(
    containers: dict[str, Any],
) -> None:
    given = dict(word.removeprefix("-c").split("=") for word in containers["postgres"]["command"][1:])
    wanted = {name: value for name, value in SETTINGS.items() if name.startswith(("tcp_", "log_min", "log_error"))}
    assert len(wanted) == 6
    assert wanted.items() <= given.items()


def test_nothing_is_reached_from_other_machines(containers: dict[str, Any]) -> None:
    published = [port for container in containers.values() for port in container.get("ports", [])]
    assert len(published) == len(SERVICES) + 5
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_whoever_is_waited_for_exists_and_can_be_healthy(containers: dict[str, Any]) -> None:
    for container in containers.values():
        for name, how in container.get("depends_on", {}).items():
            if how["condition"] == "service_healthy":
                assert "healthcheck" in containers[name]


def test_a_service_starts_also_while_rabbitmq_is_away(containers: dict[str, Any]) -> None:
    assert {tuple(containers[name.replace(".", "-")]["depends_on"]) for name in PROCESSES} == {("databases",)}


def test_prometheus_asks_every_process_by_its_name() -> None:
    (job,) = yaml.safe_load((DOCKER / "observability" / "prometheus.yml").read_text())["scrape_configs"]
    targets = [target for each in job["static_configs"] for target in each["targets"]]
    assert sorted(targets) == sorted(f"{name.replace('.', '-')}:8000" for name in PROCESSES)
    assert job["job_name"] == "ates"


def test_every_file_that_is_mounted_is_there(containers: dict[str, Any]) -> None:
    mounted = [volume.split(":")[0] for each in containers.values() for volume in each.get("volumes", [])]
    files = [name for name in mounted if name.startswith("./")]
    assert len(files) == 6
    assert all((REPOSITORY / name).is_file() for name in files)


def test_the_definitions_have_the_passwords_of_the_urls(
    containers: dict[str, Any], secrets: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in containers["definitions"]["secrets"]:
        monkeypatch.setenv(name.upper(), secrets[name])
    file = tmp_path / "definitions.json"
    result = CliRunner().invoke(compose, ["definitions", str(file)], catch_exceptions=False)
    assert result.exit_code == 0
    written = json.loads(file.read_text())
    assert [user["name"] for user in written["users"]] == ["ates", *SERVICES]
    assert written["vhosts"] == [{"name": "ates"}]


def is_let_into_the_image(name: str) -> bool:
    """Read .dockerignore as Docker does: the last pattern that fits decides."""
    patterns = (REPOSITORY / ".dockerignore").read_text().split()
    decisive = [pattern for pattern in patterns if fnmatchcase(name, pattern.removeprefix("!"))][-1:]
    return decisive == [] or decisive[0].startswith("!")


def test_the_image_has_every_package_that_a_container_runs_and_nothing_private() -> None:
    assert "\nCOPY . /ates\n" in (REPOSITORY / "Dockerfile").read_text()
    for package in ("messaging", "chassis", "deploy", "event_schemas", *(f"{name}_service" for name in SERVICES)):
        assert is_let_into_the_image(package), package
    for private in (".env", ".git", "var", ".venv", "tests", "secrets"):
        assert not is_let_into_the_image(private), private
