#!/usr/bin/env bash
# Runs every libFuzzer target: tools/fuzz.sh [SECONDS each, default 60] [TARGET...]
# New inputs that reach new code are merged into the corpus when a target ends well.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
shift || true
tools/build.sh fuzz >/dev/null
bin=build/fuzz/tests/fuzz
[ $# -gt 0 ] || set -- $(cd "$bin" && ls fuzz_* | grep -v '\.')
failed=0
for target in "$@"; do
    corpus=tests/fuzz/corpus/${target#fuzz_}
    work=build/fuzz/work/$target
    mkdir -p "$work"
    if "$bin/$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="build/fuzz/work/" "$work" "$corpus" >"$work.log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$work.log")
        echo "ok   $target ($runs runs)"
    else
        failed=1
        echo "FAIL $target: see $work.log"
        grep -E 'ERROR|SUMMARY|Test unit written' "$work.log" | head -5
    fi
done
exit $failed
