"""The process that sends what is pending in the outbox of a service. Nothing of the service's own code runs in it."""

from chassis.observe.events import EventObserver
from chassis.observe.probes import LoopHealth, serve_probes
from chassis.service import Service
from chassis.settings import EXCHANGE
from chassis.tracing import load_tracing
from messaging.broker import RabbitBroker
from messaging.relay import Relay
from messaging.stopping import stop_at_signal


def run(service: Service) -> None:
    """Publish until SIGTERM or SIGINT."""
    stop = stop_at_signal()
    settings = service.settings()
    observer = EventObserver(service.name, load_tracing(service.name, "relay"))
    broker = RabbitBroker(settings.amqp_url, name=f"{service.name}.relay")
    relay = Relay(settings.database_url, broker, exchange=EXCHANGE, observer=observer)
    serve_probes(settings, LoopHealth(relay.health), [observer])
    relay.run(stop)
