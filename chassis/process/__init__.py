"""The processes of a service. Each module has `run(service)`, and imports what its process needs, and no more.

web.py        pages and REST
relay.py      what is pending in the outbox, to the broker: none of the service's own code, no ORM
consumer.py   what the service hears of, and what it does by the clock
scheduler.py  what it does by the clock: threads of the consumer, or of the web where a service hears of nothing
migrate.py    the tables, brought up to date

docs/decisions/0028-fewer-processes.md says what each of them weighs.
"""
