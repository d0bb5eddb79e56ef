"""gunicorn, configured in code: one worker with threads, since what a request waits for is the database."""

import logging
from collections.abc import Callable

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger

_THREADS = 8
#: Seconds that requests in progress get at SIGTERM.
_GRACE = 3


class _QuietLogger(Logger):  # type: ignore[misc]
    """Leaves the lines of gunicorn to the root logger, which writes JSON, and knows which lines are wanted."""

    def setup(self, cfg: object) -> None:
        """Take away what gunicorn puts in: its handlers and its level."""
        super().setup(cfg)
        self.error_log.setLevel(logging.NOTSET)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, create_app: Callable[[], Flask], options: dict[str, object]) -> None:
        self._create_app = create_app
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._create_app()


def serve(create_app: Callable[[], Flask], *, host: str, port: int) -> None:
    """Serve until SIGTERM. The application is made in the worker, so nothing of it is shared across the fork."""
    options = {
        "bind": f"{host}:{port}",
        "workers": 1,
        "worker_class": "gthread",
        "threads": _THREADS,
        "graceful_timeout": _GRACE,
        "timeout": 30,
        "keepalive": 15,
        "control_socket_disable": True,  # it would lie in the home directory, one for all services
        "logger_class": _QuietLogger,
        "proc_name": "ates",
    }
    _Server(create_app, options).run()
