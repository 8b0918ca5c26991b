# rtsod in a container; docs/container.md says how to build and use it, and what of it was run.
ARG PYTHON=3.13

FROM python:${PYTHON}-slim-bookworm AS build
RUN python3 -m venv /opt/rtsod
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY rtsod rtsod
COPY docs/man docs/man
RUN /opt/rtsod/bin/pip install --no-cache-dir ".[control]"

FROM python:${PYTHON}-slim-bookworm
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 libxcb1 \
    && rm -rf /var/lib/apt/lists/*
# Anybody may write to the folders that are meant to be mounted: --user may name any user.
RUN useradd --uid 1000 --create-home --groups video rtsod \
    && mkdir /cache /data /output \
    && chmod 1777 /cache /data /output
COPY --from=build /opt/rtsod /opt/rtsod
ENV PATH=/opt/rtsod/bin:/usr/local/bin:/usr/bin:/bin XDG_CACHE_HOME=/cache XDG_DATA_HOME=/data PYTHONUNBUFFERED=1
USER rtsod
WORKDIR /output
# Exits with 0 if the main job would run, camera or not. It computes a few masks each time.
HEALTHCHECK --interval=10m --timeout=2m --start-period=5m CMD ["rtsod", "doctor"]
ENTRYPOINT ["rtsod"]
CMD ["--help"]
