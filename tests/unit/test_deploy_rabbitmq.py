"""RabbitMQ 3.10 and 4.x run from the same files: nothing in them may be known to one of the two alone.

Whoever adds a name here has looked it up for both:
- arguments of queues: https://www.rabbitmq.com/docs/quorum-queues and https://www.rabbitmq.com/docs/3.13/quorum-queues
  (message TTL and at-least-once dead-lettering: since 3.10)
- rabbitmq.conf: https://www.rabbitmq.com/docs/configure, and the files *.schema that each version brings along
- definitions: https://www.rabbitmq.com/docs/definitions
- variables: https://www.rabbitmq.com/docs/relocate and https://www.rabbitmq.com/docs/configure#supported-environment-variables
- what 4.x took away or changed: https://github.com/rabbitmq/rabbitmq-server/tree/main/release-notes, 4.0.1 to 4.3.0
"""

import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy import definitions
from deploy.errors import DeployError
from deploy.servers import RabbitServer
from deploy.settings import REPOSITORY, SERVICES

QUEUE_ARGUMENTS = {
    "x-queue-type",
    "x-single-active-consumer",
    "x-dead-letter-exchange",
    "x-dead-letter-routing-key",
    "x-dead-letter-strategy",
    "x-overflow",
    "x-delivery-limit",
    "x-max-length",
}
EXCHANGE_ARGUMENTS = {"alternate-exchange"}
EXCHANGE_TYPES = {"topic", "fanout"}
CONFIGURATION = {
    "listeners.tcp.*",
    "management.tcp.ip",
    "management.tcp.port",
    "cluster_name",
    "heartbeat",
    "load_definitions",
    "log.file",
    "log.console",
    "log.console.level",
    "log.console.use_colors",
    "vm_memory_high_watermark.relative",
    "disk_free_limit.absolute",
    "raft.wal_max_size_bytes",
}
DEFINITIONS = {
    "users": {"name", "password_hash", "hashing_algorithm", "tags"},
    "vhosts": {"name"},
    "permissions": {"user", "vhost", "configure", "write", "read"},
    "topic_permissions": {"user", "vhost", "exchange", "write", "read"},
    "exchanges": {"name", "vhost", "type", "durable", "auto_delete", "internal", "arguments"},
    "queues": {"name", "vhost", "durable", "auto_delete", "arguments"},
    "bindings": {"source", "vhost", "destination", "destination_type", "routing_key", "arguments"},
}
VARIABLES = {
    "RABBITMQ_NODENAME",
    "RABBITMQ_MNESIA_BASE",
    "RABBITMQ_LOG_BASE",
    "RABBITMQ_CONFIG_FILE",
    "RABBITMQ_ADVANCED_CONFIG_FILE",
    "RABBITMQ_CONF_ENV_FILE",
    "RABBITMQ_ENABLED_PLUGINS_FILE",
    "RABBITMQ_DIST_PORT",
    "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
}
#: Any program will do, since it is never started here.
A_PROGRAM = sys.executable


@pytest.fixture
def everything() -> dict[str, Any]:
    return {**definitions.users({"ates": "x", "tracker": "y"}), **definitions.vhost("ates", SERVICES)}


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RabbitServer:
    monkeypatch.setenv("ATES_RABBITMQ_SERVER", A_PROGRAM)
    return RabbitServer(
        tmp_path,
        port=1,
        management_port=2,
        private_ports=(3, 4),
        password="x",
        definitions="{}",
        log=tmp_path / "logs" / "rabbitmq.log",
        account=None,
    )


def keys(configuration: str) -> set[str]:
    lines = [line for line in configuration.splitlines() if line and not line.startswith("#")]
    return {re.sub(r"^(listeners\.tcp)\..*", r"\1.*", line.partition("=")[0].strip()) for line in lines}


def test_queues_are_declared_with_arguments_that_both_versions_know(everything: dict[str, Any]) -> None:
    assert {name for queue in everything["queues"] for name in queue["arguments"]} == QUEUE_ARGUMENTS


def test_exchanges_are_declared_with_types_and_arguments_that_both_versions_know(everything: dict[str, Any]) -> None:
    assert {name for exchange in everything["exchanges"] for name in exchange["arguments"]} == EXCHANGE_ARGUMENTS
    assert {exchange["type"] for exchange in everything["exchanges"]} == EXCHANGE_TYPES


def test_definitions_consist_of_what_both_versions_know(everything: dict[str, Any]) -> None:
    assert {part: {key for row in rows for key in row} for part, rows in everything.items()} == DEFINITIONS


def test_every_queue_is_a_durable_quorum_queue_so_that_no_version_refuses_it(everything: dict[str, Any]) -> None:
    for queue in everything["queues"]:
        kind = (queue["arguments"]["x-queue-type"], queue["durable"], queue["auto_delete"])
        assert kind == ("quorum", True, False), queue["name"]


def test_every_queue_says_how_often_it_delivers_since_4_gives_up_after_20_times(everything: dict[str, Any]) -> None:
    for queue in everything["queues"]:
        assert queue["arguments"].get("x-delivery-limit", 0) > 20, queue["name"]


def test_what_is_dead_lettered_at_least_once_is_declared_in_full_or_it_would_be_at_most_once(
    everything: dict[str, Any],
) -> None:
    for queue in everything["queues"]:
        arguments = queue["arguments"]
        if "x-dead-letter-exchange" in arguments:
            assert (arguments["x-dead-letter-strategy"], arguments["x-overflow"]) == ("at-least-once", "reject-publish")


def test_the_private_server_is_configured_with_keys_that_both_versions_know(
    server: RabbitServer, tmp_path: Path
) -> None:
    server.prepare()
    assert keys((tmp_path / "rabbitmq.conf").read_text()) == CONFIGURATION
    assert (tmp_path / "enabled_plugins").read_text() == "[rabbitmq_management].\n"


def test_the_server_of_docker_is_configured_with_keys_that_both_versions_know() -> None:
    assert keys((REPOSITORY / "deploy/docker/rabbitmq.conf").read_text()) <= CONFIGURATION


def test_the_private_server_gets_variables_that_both_versions_know(server: RabbitServer) -> None:
    *_, node = server.programs()
    assert {name for name in node.environment if name.startswith("RABBITMQ_")} == VARIABLES


def test_another_installation_of_rabbitmq_is_run_when_the_environment_names_it(server: RabbitServer) -> None:
    *_, node = server.programs()
    assert node.command == (A_PROGRAM,)


@pytest.mark.parametrize("chosen", ["/nowhere/rabbitmq-server", __file__])
def test_what_is_named_and_cannot_be_run_is_said_at_once(
    server: RabbitServer, monkeypatch: pytest.MonkeyPatch, chosen: str
) -> None:
    assert not os.access(chosen, os.X_OK)
    monkeypatch.setenv("ATES_RABBITMQ_SERVER", chosen)
    with pytest.raises(DeployError, match=re.escape(f"ATES_RABBITMQ_SERVER is '{chosen}'")):
        server.prepare()


@pytest.mark.parametrize(
    "last",
    [  # of 4.0.5 with the data of 3.10.8, and the other way round
        "application_start_failure,rabbit,{failed_to_initialize_feature_flags_registry,{rabbit,start,[normal,[]]}}",
        "application_start_failure,rabbit,{{schema_integrity_check_failed,[{table_missing,rabbit_listener}]}",
    ],
)
def test_data_of_another_version_is_explained_to_whoever_reads_why_it_does_not_start(
    server: RabbitServer, last: str
) -> None:
    server.log.parent.mkdir()
    server.log.write_text(f"{last}\nCrash dump is being written\n" + "it starts again\n" * 20)
    assert "made by another version of RabbitMQ" in server.last_words()


def test_another_reason_for_not_starting_is_shown_as_it_is(server: RabbitServer) -> None:
    server.log.parent.mkdir()
    server.log.write_text("eaddrinuse\n")
    assert server.last_words() == "eaddrinuse"
