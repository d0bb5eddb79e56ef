"""What an operator sees of a service: logs, metrics, probes. docs/operation.md says what to do with them.

logs.py      one JSON object a line, tied to the request or event that it is about
requests.py  the web, and imported only there: correlation ids, requests counted and logged
events.py    relay and consumer: events counted, timed and logged
probes.py    /livez, /readyz and /metrics of every process
state.py     what is read from the database when somebody asks for metrics
"""

from chassis.observe.events import EventObserver
from chassis.observe.logs import configure_logging
from chassis.observe.probes import LoopHealth, serve_probes

__all__ = ["EventObserver", "LoopHealth", "configure_logging", "serve_probes"]
