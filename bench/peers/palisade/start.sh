#!/bin/sh
# Listens on $HOST:$PORT before the upstream on $UPSTREAM_PORT, keeps its state in $RUN_DIR, and has
# one user with the password $BENCH_PASSWORD, given by its hash in AUTH_USERS as the seeds do it.
set -eu
: "${BENCH_LIMIT:=100000000/hour}"
# Sign-in is measured behind a proxy, so that many addresses can sign in.
: "${BENCH_PROXIES:=[]}"
cat > "$RUN_DIR/palisade.toml" <<POLICY
[app]
name = "Bench"
environment = "testing"
base_url = "http://$HOST:$PORT"

[edge]
listen = "$HOST:$PORT"
metrics_listen = "off"
allowed_hosts = ["$HOST", "app.example.com"]
trusted_proxies = $BENCH_PROXIES

[store]
database = "sqlite:$RUN_DIR/palisade.db"
data_dir = "$RUN_DIR"

[shield.limits]
default = { limit = ["$BENCH_LIMIT"], by = "user" }
login = { limit = "100000000/hour", by = "address" }

[authorize.roles]
manager = { includes = ["user"] }
user = {}

[[route]]
path = "/open/{*rest}"
to = "upstream:app"
strip = "/open"
prefix = "/api/upf"
allow = { read = "public" }
limits = ["default"]

[[route]]
path = "/api/upf/{*rest}"
to = "upstream:app"
allow = { read = "user", write = "user" }
limits = ["default"]

[upstream.app]
url = "http://127.0.0.1:$UPSTREAM_PORT"
POLICY
# nginx beside it writes no access log either.
export LOG_LEVEL=warn
export SECRET_KEY="${SECRET_KEY:-bench-only-0123456789abcdef0123456789abcdef}"
export JWT_SECRET_KEY="${JWT_SECRET_KEY:-bench-only-fedcba9876543210fedcba9876543210}"
printf '%s' "$BENCH_PASSWORD" | "$PALISADE_BIN" user add bench --role manager --password-stdin --policy "$RUN_DIR/palisade.toml" >/dev/null
exec "$PALISADE_BIN" serve --policy "$RUN_DIR/palisade.toml"
