# vigil with all that its pipeline needs. It runs as any user:
#   docker build -t vigil .
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/work" vigil vigil new my-cameras
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD/my-cameras:/work" vigil dvc repro
# For NVIDIA GPUs: docker build --build-arg TORCH=cuda -t vigil:cuda . and docker run --gpus all.
FROM python:3.11-slim AS wheel
WORKDIR /source
COPY . .
RUN SOURCE_DATE_EPOCH=315532800 pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:3.11-slim
# cpu, or cuda: the wheels of torch on PyPI bring CUDA along.
ARG TORCH=cpu
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git make \
    && rm -rf /var/lib/apt/lists/*
COPY constraints.txt /tmp/constraints.txt
COPY --from=wheel /wheels /tmp/wheels
# PyPI's torch needs CUDA's libraries. The index of CPU wheels has the same versions without them, as
# <version>+cpu, which a pinned <version> accepts.
RUN if [ "$TORCH" = cpu ]; then \
        export PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu; \
        grep -viE '^(nvidia-|cuda-|triton)' /tmp/constraints.txt > /tmp/chosen.txt; \
        version="$(sed -n 's/^torch==//p' /tmp/constraints.txt)"; \
        vision="$(sed -n 's/^torchvision==//p' /tmp/constraints.txt)"; \
        pip install --no-cache-dir "torch==$version+cpu" "torchvision==$vision+cpu"; \
    else cp /tmp/constraints.txt /tmp/chosen.txt; fi \
    && pip install --no-cache-dir --constraint /tmp/chosen.txt "$(ls /tmp/wheels/*.whl)[export,serve,notify]" \
    && rm -rf /tmp/wheels /tmp/*.txt
# A user without an entry in /etc/passwd has no home; caches go where everyone may write.
ENV HOME=/tmp VIGIL_STATE_DIR=/work/.vigil GIT_CONFIG_COUNT=1 \
    GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0=/work
WORKDIR /work
CMD ["vigil", "--help"]
