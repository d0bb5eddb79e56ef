# One image for every process of every service: docker-compose.yml says which one a container runs.
# The first stage installs the libraries and compiles; the second takes over the result, without what was left lying about.
FROM python:3.11.13-slim-bookworm AS build
RUN python -m venv /venv
ENV PATH=/venv/bin:$PATH
COPY requirements-tracing.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements-tracing.lock
COPY . /ates
RUN pybabel --quiet compile -d /ates/chassis/translations \
    && python -m compileall -q /ates \
    && pip uninstall --yes --quiet pip setuptools

FROM python:3.11.13-slim-bookworm
RUN useradd --no-create-home --uid 1000 ates \
    && install -d -o ates -g ates /state /definitions
COPY --from=build /venv /venv
COPY --from=build /ates /ates
WORKDIR /ates
ENV PATH=/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 \
    ATES_HOST=0.0.0.0 ATES_LISTEN_PORT=8000 ATES_HEALTH_PORT=8000 \
    ATES_STATE_DIR=/state ATES_SECRETS_DIR=/run/secrets
USER ates
