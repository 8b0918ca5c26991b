# rtsod in a container; docs/container.md says how to build and use it, and what of it was run.
ARG PYTHON=3.13
# To build on the same base each time, give its digest: --build-arg BASE=python@sha256:...
ARG BASE=python:${PYTHON}-slim-bookworm

FROM ${BASE} AS build
RUN python3 -m venv /opt/rtsod
WORKDIR /src
COPY pyproject.toml ./
COPY scripts/list_dependencies.py scripts/
# The dependencies come first, so that an edited source file fetches none of them again. OpenCV comes without its
# windows, which a container has no screen for, and which need 200 MB of libraries.
RUN python3 scripts/list_dependencies.py --extra control | sed "s/^opencv-python>/opencv-python-headless>/" > wanted.txt \
    && /opt/rtsod/bin/pip install --no-cache-dir -r wanted.txt
COPY README.md LICENSE NOTICE ./
COPY rtsod rtsod
COPY docs/man docs/man
RUN /opt/rtsod/bin/pip install --no-cache-dir --no-deps .

FROM ${BASE}
LABEL org.opencontainers.image.title="rtsod" \
    org.opencontainers.image.description="Real-time salient-object segmentation and background replacement" \
    org.opencontainers.image.licenses="Apache-2.0"
# Anybody may write to the folders that are meant to be mounted: --user may name any user.
RUN useradd --uid 1000 --create-home --groups video rtsod \
    && mkdir /cache /data /output \
    && chmod 1777 /cache /data /output
COPY --from=build /opt/rtsod /opt/rtsod
ENV PATH=/opt/rtsod/bin:/usr/local/bin:/usr/bin:/bin XDG_CACHE_HOME=/cache XDG_DATA_HOME=/data PYTHONUNBUFFERED=1
VOLUME ["/cache"]
USER rtsod
WORKDIR /output
# Exits with 0 if the main job would run, camera or not. It computes a few masks each time.
HEALTHCHECK --interval=10m --timeout=2m --start-period=5m CMD ["rtsod", "doctor"]
ENTRYPOINT ["rtsod"]
CMD ["--help"]
