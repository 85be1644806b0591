#!/usr/bin/env bash
# The demo: one test from three regions. Starts the bundled shop, a controller with its own
# nats-server, and two agents in each of three regions with emulated distances; runs
# examples/mission.js on them with live progress and a dashboard, prints the summary and the table by
# region, writes the report, and ends by itself. Nothing leaves this machine.
set -euo pipefail
cd "$(dirname "$0")/.."
gale=$PWD/build/gale
data=$(mktemp -d)
pids=()
cleanup() {
    kill "${pids[@]}" 2>/dev/null || true
    wait 2>/dev/null || true
    rm -rf "$data"
}
trap cleanup EXIT
fail() { echo "demo: $1" >&2; tail -n 20 "$data"/*.log >&2; exit 1; }

build/gale-shop --latency 20ms >"$data/shop.log" &
pids+=($!)
"$gale" controller --data "$data/controller" --listen 127.0.0.1:0 --nats-listen 127.0.0.1:0 \
    --log-output "file=$data/controller.log" &
pids+=($!)
for _ in $(seq 100); do
    grep -qs listening "$data/shop.log" && grep -qs 'API and dashboard on' "$data/controller.log" && break
    sleep 0.1
done
base=$(sed -n 's/^listening on //p' "$data/shop.log")
nats=$(grep -o 'nats://[0-9.:]*' "$data/controller.log" | head -n 1)
fleet=$(grep -o 'http://[0-9.:]*' "$data/controller.log" | head -n 1)
[ -n "$base" ] && [ -n "$nats" ] && [ -n "$fleet" ] || fail "shop or controller did not start"

# Round trips as from Virginia, Frankfurt and Sydney to a target in Ireland.
while read -r region emulate; do
    for zone in a b; do
        "$gale" agent --id "$region-$zone" --region "$region" --zone "$zone" --nats "$nats" \
            --emulate "$emulate" --data "$data" --log-output "file=$data/$region-$zone.log" &
        pids+=($!)
    done
done <<'REGIONS'
us-east-1 rtt=80ms,jitter=4ms
eu-central-1 rtt=25ms,jitter=2ms
ap-southeast-2 rtt=230ms,jitter=8ms,rate=50mbit,loss=0.1%
REGIONS
for _ in $(seq 100); do
    [ "$("$gale" fleet agents --fleet "$fleet" 2>/dev/null | grep -c ' ready ')" = 6 ] && break
    sleep 0.1
done
"$gale" fleet regions --fleet "$fleet"
echo
echo "The bundled shop listens on $base; its answers take about 20 ms. Distances are emulated."
echo "gale run -e BASE=$base -s 10s:50 -s 20s:50 -s 10s:0 --fleet $fleet \\"
echo "  --regions us-east-1=50%/2,eu-central-1=30%/2,ap-southeast-2=20%/2 --report build/demo.html examples/mission.js"
"$gale" run -e "BASE=$base" -s 10s:50 -s 20s:50 -s 10s:0 --fleet "$fleet" \
    --regions us-east-1=50%/2,eu-central-1=30%/2,ap-southeast-2=20%/2 --report build/demo.html examples/mission.js
echo "The run as a page with its charts: build/demo.html"
