#!/usr/bin/env bash
# The demo: starts the bundled shop, runs examples/shop.js against it with live progress, prints the
# summary, and ends by itself. Nothing leaves this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
log=$(mktemp)
build/gale-shop --latency 20ms >"$log" &
shop=$!
trap 'kill $shop 2>/dev/null; wait $shop 2>/dev/null || true; rm -f "$log"' EXIT
for _ in $(seq 50); do
    grep -q listening "$log" && break
    sleep 0.1
done
base=$(sed -n 's/^listening on //p' "$log")
[ -n "$base" ] || { echo "demo: the shop did not start" >&2; exit 1; }
echo "The bundled shop listens on $base; its answers take about 20 ms."
echo "gale run -e BASE=$base examples/shop.js"
build/gale run -e "BASE=$base" examples/shop.js
