"""What can keep the system from starting. The message is for a person: it says what to do."""


class DeployError(Exception):
    """The system cannot be started or used as things are."""


class MissingServerError(DeployError):
    """Postgres or RabbitMQ is not installed."""
