"""Is a process of ours doing its work yet?"""

import time
from collections.abc import Callable, Mapping
from urllib.parse import quote

import pika
import requests
from pika.exceptions import AMQPError

from deploy.servers import RabbitServer
from deploy.settings import VHOST
from deploy.supervisor import Supervisor
from messaging.topology import events_queue

#: Seconds between two looks: the processes need the processor more than we do.
_EVERY = 0.5
#: A scheduler serves nobody that could be asked; if it lives that long it has read its settings and its jobs.
_SETTLED = 1.5


class Readiness:
    """Asks each process in the way that its kind can answer."""

    def __init__(self, supervisor: Supervisor, urls: Mapping[str, str], rabbitmq: RabbitServer) -> None:
        """Take who runs the processes, the addresses of the services, and the broker."""
        self._supervisor = supervisor
        self._urls = urls
        self._rabbitmq = rabbitmq
        self._kinds: Mapping[str, Callable[[str], bool]] = {
            "web": self._web_answers,
            "relay": self._relay_is_connected,
            "relay-standby": self._relay_is_connected,
            "consumer": lambda service: self._consumers_of(service) > 0,
            "scheduler": lambda service: self._supervisor.lived(f"{service}.scheduler") > _SETTLED,
        }

    def all_of(self, names: list[str]) -> Callable[[], bool]:
        """Return a condition that is true once each of these processes has been seen ready."""
        missing, looked = list(names), 0.0

        def condition() -> bool:
            nonlocal looked
            if missing and time.monotonic() - looked > _EVERY:
                missing[:] = [name for name in missing if not self.is_ready(name)]
                looked = time.monotonic()
            return not missing

        return condition

    def is_ready(self, name: str) -> bool:
        """Tell whether the process, such as `tracker.relay`, does its work."""
        service, _, kind = name.partition(".")
        return self._kinds[kind](service)

    def _web_answers(self, service: str) -> bool:
        try:
            return requests.get(f"{self._urls[service]}/readyz", timeout=2).ok
        except requests.RequestException:
            return False

    def _relay_is_connected(self, service: str) -> bool:
        url = f"{self._rabbitmq.management_url}/api/vhosts/{quote(VHOST, safe='')}/connections"
        try:
            answer = requests.get(url, auth=self._rabbitmq.credentials, timeout=2)
            answer.raise_for_status()
        except requests.RequestException:
            return False
        names = {found.get("client_properties", {}).get("connection_name") for found in answer.json()}
        return f"{service}.relay" in names

    def _consumers_of(self, service: str) -> int:
        parameters = pika.URLParameters(self._rabbitmq.amqp_url(VHOST))
        try:
            with pika.BlockingConnection(parameters) as connection:
                declared = connection.channel().queue_declare(events_queue(service), passive=True)
        except AMQPError:  # no such queue yet
            return 0
        return int(declared.method.consumer_count)
