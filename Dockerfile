# syntax=docker/dockerfile:1
# Two stages: the toolchain builds, a small image runs, as a user without rights.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p latchkey

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --home-dir /data --create-home latchkey
COPY --from=build /src/target/release/latchkey /usr/local/bin/latchkey
USER 10001
VOLUME /data
EXPOSE 8080
ENV LATCHKEY_LISTEN=0.0.0.0:8080 \
    LATCHKEY_DATA=/data \
    LATCHKEY_LOG_JSON=true
# SIGTERM drains: give it the drain window and a little more (docker stop --time 15).
STOPSIGNAL SIGTERM
ENTRYPOINT ["latchkey"]
CMD ["serve"]
