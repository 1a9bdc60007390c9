# One image for each service, and one of the command line for jobs:
#
#     docker build --build-arg SERVICE=ingest -t memoryguard/ingest:0.1.0 .
#
# SERVICE is ingest, processor, atrophy, ml, audit, api or cli. Every package comes from
# requirements.lock with its hash, and only those that the service needs are installed.
ARG SERVICE=cli

FROM node:20-bookworm-slim AS web
WORKDIR /source/web
COPY web/package.json web/package-lock.json ./
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY libs/common/schemas /source/libs/common/schemas
COPY services/api/src/memoryguard/api/names.json /source/services/api/src/memoryguard/api/names.json
COPY web ./
RUN npm run -s build

FROM python:3.11-slim-bookworm AS build
ARG SERVICE
WORKDIR /source
COPY requirements-installer.lock requirements.lock pyproject.toml ./
RUN python -m venv /opt/installer
RUN /opt/installer/bin/python -m pip install --require-hashes -r requirements-installer.lock
RUN python -m venv --without-pip /opt/memoryguard
RUN /opt/installer/bin/uv pip install --python /opt/memoryguard/bin/python --compile-bytecode \
    --require-hashes --constraint requirements.lock --requirement pyproject.toml --extra "$SERVICE"
COPY LICENSE NOTICE README.md ./
COPY libs libs
COPY services services
COPY --from=web /source/services/api/src/memoryguard/api/app services/api/src/memoryguard/api/app
RUN /opt/installer/bin/uv build --wheel --python /opt/memoryguard/bin/python \
    --require-hashes --build-constraint requirements.lock --out-dir /opt/installer/wheel
RUN /opt/installer/bin/uv pip install --python /opt/memoryguard/bin/python --compile-bytecode \
    --no-deps /opt/installer/wheel/*.whl

FROM python:3.11-slim-bookworm AS runtime
ARG SERVICE
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="memoryguard-${SERVICE}" \
      org.opencontainers.image.description="MemoryGuard Imaging. Research software, not a medical device." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
COPY --from=build /opt/memoryguard /opt/memoryguard
# Nothing is written outside /tmp, so the root file system may be read-only.
ENV PATH=/opt/memoryguard/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/tmp
WORKDIR /tmp
USER 10001:10001

FROM runtime AS service
ENV MEMORYGUARD_HOST=0.0.0.0 \
    MEMORYGUARD_PORT=8470
EXPOSE 8470
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 CMD ["python", "-c", "import os, urllib.request as u; u.urlopen(f'http://127.0.0.1:{os.environ[\"MEMORYGUARD_PORT\"]}/health/ready', timeout=4)"]

FROM service AS ingest
CMD ["python", "-m", "memoryguard.ingest"]
FROM service AS processor
CMD ["python", "-m", "memoryguard.processor"]
FROM service AS atrophy
CMD ["python", "-m", "memoryguard.atrophy"]
FROM service AS ml
CMD ["python", "-m", "memoryguard.ml"]
FROM service AS audit
CMD ["python", "-m", "memoryguard.audit"]
FROM service AS api
CMD ["python", "-m", "memoryguard.api"]

FROM runtime AS cli
ENTRYPOINT ["memoryguard"]

FROM ${SERVICE}
