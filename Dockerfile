# One image for every process of every service: docker-compose.yml says which one a container runs.
FROM python:3.11-slim-bookworm

RUN useradd --create-home --uid 1000 ates \
    && install -d -o ates -g ates /state /definitions
WORKDIR /ates

ARG LOCK=requirements.lock
COPY ${LOCK} ./
RUN pip install --no-cache-dir --require-hashes -r ${LOCK}

COPY . .
RUN pybabel --quiet compile -d chassis/translations

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 ATES_HOST=0.0.0.0 ATES_STATE_DIR=/state
USER ates
VOLUME ["/state", "/definitions"]
