"""An application behind the web server that serves it in earnest, in a thread of the test."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import requests
from flask import Flask

from chassis import webserver
from tests.integration.test_chassis_processes import free_port
from tests.waiting import eventually


@dataclass
class House:
    """A server on a port of its own, in a thread, that can be told to stop."""

    app: Flask
    port: int = field(default_factory=free_port)
    stop: threading.Event = field(default_factory=threading.Event)
    goes_on: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def connect(self, sends: bytes = b"") -> socket.socket:
        client = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        client.sendall(sends)
        return client

    def answers(self) -> bool:
        try:
            return requests.get(self.url("/livez"), timeout=30).status_code == 200
        except requests.ConnectionError:
            return False


@contextmanager
def running(house: House, trusted_proxy: str = "") -> Iterator[threading.Thread]:
    def serve() -> None:
        webserver.serve(house.app, host="127.0.0.1", port=house.port, stop=house.stop, trusted_proxy=trusted_proxy)

    server = threading.Thread(target=serve)
    server.start()
    try:
        eventually(house.answers)
        yield server
    finally:
        house.goes_on.set()
        house.stop.set()
        server.join()
