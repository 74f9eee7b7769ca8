# One image for every process; the command says which: `almanac api`, `almanac worker publishing`…
# Debian, never Alpine: some locked packages have no wheel for musl.
FROM python:3.11-slim-bookworm AS build
ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
# The locks come first: a change of our code alone keeps these layers. Only pyvips has no wheel; it
# is plain Python, and libvips itself comes as one (pyvips-binary).
COPY requirements/production.lock requirements/default.lock requirements/
RUN python -m venv --without-pip /opt/almanac && \
    pip --python /opt/almanac/bin/python install --require-hashes --only-binary :all: \
        --no-binary pyvips --requirement requirements/production.lock
# The build backend is pinned in the default lock; this Python stays in this stage.
RUN pip install --require-hashes --only-binary :all: --no-binary pyvips \
        --requirement requirements/default.lock
COPY pyproject.toml README.md ./
COPY service service
COPY workers workers
COPY schedules schedules
RUN pip wheel --no-deps --no-build-isolation --wheel-dir wheels . && \
    pip --python /opt/almanac/bin/python install --no-deps wheels/*.whl

FROM python:3.11-slim-bookworm
ENV PATH=/opt/almanac/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONFAULTHANDLER=1 \
    ALMANAC_ENV=production \
    ALMANAC_HOME=/data \
    ALMANAC_HOST=0.0.0.0 \
    ALMANAC_PORT=8000
# Videos are measured and converted by ffmpeg; security fixes of it must not wait for a new pin.
# hadolint ignore=DL3008
RUN apt-get update && \
    apt-get install --yes --no-install-recommends ffmpeg && \
    rm -rf /var/lib/apt/lists/*
# Media lie in /data, owned by the user below, whose number a cluster can check is not root's.
RUN install --directory --owner=10001 --group=10001 --mode=0750 /data
COPY --from=build /opt/almanac /opt/almanac
WORKDIR /opt/almanac
VOLUME /data
EXPOSE 8000
USER 10001:10001
STOPSIGNAL SIGTERM
# Of the API, and only whether it answers: an outage of PostgreSQL must not have it replaced.
# Other processes bring their own check (compose.yaml).
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
    CMD ["python", "-c", "import http.client, os, sys; api = http.client.HTTPConnection('127.0.0.1', int(os.environ['ALMANAC_PORT']), timeout=4); api.request('GET', '/livez'); sys.exit(api.getresponse().status != 200)"]
CMD ["almanac", "api"]
