"""What runs aTES: private Postgres and RabbitMQ, their users, and a supervisor for the processes of the services.

bootstrap.sh    packages and the Python environment: all that must be there before Python code can run
up.py           `make up`, from top to bottom
settings.py     ports, folders and names, as the environment says
secrets.py      passwords, made once and kept
servers/        Postgres and RabbitMQ as programs: prepare, command, ready
databases.py    roles and databases of the services
migrations.py   is a database up to date?
definitions.py  users, permissions, exchanges and queues of RabbitMQ
programs.py     what a program is, how it is started and ended
processes.py    the table of all that `make up` starts
supervisor.py   keeps programs alive
readiness.py    does a process do its work yet?
system.py       one running copy: everything from nothing to ready and back
lock.py         one system per state folder, and the clean-up after one that was killed
doctor.py       can it be started here? Before the first start, with nothing but Python
run_file.py     run.json, and prometheus.json for who measures
compose.py      the same databases and definitions for docker compose
docker/         what docker-compose.yml mounts: health check, secrets, RabbitMQ's settings, dashboards
cli/            ./ates
"""
