# The data service. `docker build -t repo-server .`
FROM rust:1.90-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --release --locked -p repo-server && strip target/release/repo-server

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /data --shell /usr/sbin/nologin repo \
    && install -d -o repo -g repo -m 0700 /data
COPY --from=build /src/target/release/repo-server /usr/local/bin/repo-server
USER repo
ENV XDG_DATA_HOME=/data
VOLUME /data
EXPOSE 8080
STOPSIGNAL SIGTERM
# Outside of the container others reach it: it needs keys (`repo-server keys create`).
ENTRYPOINT ["repo-server"]
CMD ["--data", "/data", "--listen", "0.0.0.0:8080"]
