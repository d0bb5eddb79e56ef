"""Postgres and RabbitMQ as private programs: how to prepare their folder, what to run, and when they are ready."""

from deploy.servers.postgres import PostgresServer
from deploy.servers.rabbitmq import RabbitServer

__all__ = ["PostgresServer", "RabbitServer"]
