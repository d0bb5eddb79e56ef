# One image for every process of every service: docker-compose.yml says which one a container runs.
FROM python:3.11-slim-bookworm

RUN useradd --create-home --uid 1000 ates \
    && install -d -o ates -g ates /state /definitions
WORKDIR /ates

COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock

COPY messaging messaging
COPY chassis chassis
COPY auth_service auth_service
COPY tracker_service tracker_service
COPY billing_service billing_service
COPY analytics_service analytics_service
COPY deploy deploy
COPY event_schemas event_schemas
RUN pybabel --quiet compile -d chassis/translations

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 ATES_HOST=0.0.0.0 ATES_STATE_DIR=/state
USER ates
VOLUME ["/state", "/definitions"]
