#!/usr/bin/env bash
# Builds and runs the tests; the last line counts them: 'N passed, N failed'.
#
#   tools/test.sh          everything, on the release build; then unit and script tests again under
#                          ASan+UBSan, and the threaded parts under TSan
#   tools/test.sh asan     unit, fuzz corpora and script tests under ASan+UBSan
#   tools/test.sh tsan     the threaded parts under TSan
#   tools/test.sh ci       everything, and clang-tidy meanwhile
set -uo pipefail
cd "$(dirname "$0")/.."
passed=0 failed=0 skipped=0 cores=$(nproc)
log=$(mktemp -d)
beside= # the process group that runs beside all tests, if one does
trap '[ -z "$beside" ] || kill -- -"$beside" 2>/dev/null; rm -rf "$log"' EXIT
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=0:exitcode=66:suppressions=$PWD/tests/tsan.supp

# start NAME COMMAND...: runs it beside others, one a core. finish tells of them in this order and adds
# the counts of their last 'N passed, N failed' lines. step: one by itself.
started=() pids=()
start() {
    local dir=$log/${#started[@]}
    while [ "$(running)" -ge "$cores" ]; do wait -n; done
    mkdir -p "$dir"
    started+=("$1")
    shift
    (
        begun=$SECONDS
        "$@" >"$dir/out" 2>&1
        echo "$? $((SECONDS - begun))" >"$dir/end"
    ) &
    pids+=($!)
}

running() { # how many of them are; what runs beside all of them does not count
    jobs -rp | grep -vcx "${beside:-none}"
}

failures() { # what failed: 10 lines above, and the last 60 below; of output without such lines, its end
    awk 'function flush(most, i) { for (i = n > most ? n - most + 1 : 1; i <= n; i++) print line[i]; n = 0 }
         /^(FAIL|ok) / { if (inside) flush(60)
                         inside = /^FAIL/
                         if (inside) { flush(10); print; any = 1 }
                         n = 0
                         next }
         { line[++n] = $0 }
         END { if (inside) flush(60); exit !any }' "$1" || tail -n 60 "$1"
}

tell() { # tell NAME CODE SECONDS OUTPUT
    local line p f s
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$4" | tail -n 1)
    p=$(sed -nE 's/^([0-9]+) passed.*/\1/p' <<<"$line")
    f=$(sed -nE 's/.* ([0-9]+) failed.*/\1/p' <<<"$line")
    s=$(sed -nE 's/.* ([0-9]+) skipped.*/\1/p' <<<"$line")
    if [ -z "$line" ]; then
        if [ "$2" = 0 ]; then p=1; else f=1; fi
    elif [ "$2" != 0 ] && [ "${f:-0}" = 0 ]; then
        f=1
    fi
    passed=$((passed + ${p:-0})) failed=$((failed + ${f:-0})) skipped=$((skipped + ${s:-0}))
    if [ "$2" = 0 ]; then
        echo "ok   $1: ${p:-0} ($3 s)"
    else
        echo "FAIL $1 (exit $2, $3 s)"
        failures "$4" | sed 's/^/     /'
    fi
}

finish() {
    local i code seconds
    [ ${#pids[@]} = 0 ] || wait "${pids[@]}"
    for i in "${!started[@]}"; do
        code=1 seconds=0
        read -r code seconds <"$log/$i/end"
        tell "${started[$i]}" "$code" "$seconds" "$log/$i/out"
    done
    started=() pids=()
}

step() {
    start "$@"
    finish
}

build() { # a failed build ends the run: nothing after it would mean anything
    local start=$SECONDS
    if ! tools/build.sh "$@" >"$log/build" 2>&1; then
        echo "FAIL build $1"
        grep -E 'error|FAILED|warning' "$log/build" | head -n 30
        echo "$passed passed, $((failed + 1)) failed"
        exit 1
    fi
    echo "     built $1 ($((SECONDS - start)) s)"
}

units() { # units PRESET [NAME...]: unit executables and fuzz corpora of a build
    local dir=build/$1/tests name
    shift
    for name in "$dir"/unit/unit_*; do
        [ -x "$name" ] && [ -f "$name" ] || continue
        [ $# = 0 ] || [[ " $* " == *" ${name##*/} "* ]] || continue
        start "$(basename "$(dirname "$(dirname "$(dirname "$name")")")") ${name##*/}" "$name"
    done
    finish
}

corpora() {
    local dir=build/$1/tests/fuzz name
    for name in "$dir"/fuzz_*; do
        [ -x "$name" ] && [ -f "$name" ] || continue
        start "$1 ${name##*/} corpus" "$name" "tests/fuzz/corpus/${name##*/fuzz_}"
    done
    finish
}

asan() {
    build asan
    units asan
    corpora asan
    [ -x tests/script/run ] && step "asan scripts" tests/script/run build/asan/gale
}

tsan() {
    build tsan unit_loop unit_engine unit_fleet
    units tsan unit_loop unit_engine unit_fleet
}

all() {
    step "layers" python3 tools/check-layers.py
    build release
    units release
    corpora release
    [ -x tests/script/run ] && step "scripts" tests/script/run build/gale
    [ -x tests/conformance/run ] && step "conformance" tests/conformance/run build/gale
    step "documentation" tests/docs/run build/gale
    [ -f tests/e2e/run.py ] && step "end to end" python3 tests/e2e/run.py build/gale
    asan
    tsan
}

# clang-tidy computes for minutes while many tests wait: it takes what they leave of the cores.
ci() {
    local code=1 seconds=0
    set -m
    (
        nice -n 19 tools/lint.sh --tidy >"$log/tidy" 2>&1
        echo "$? $SECONDS" >"$log/tidy.end"
    ) &
    beside=$!
    set +m
    all
    wait "$beside"
    beside=
    read -r code seconds <"$log/tidy.end"
    tell "clang-tidy" "$code" "$seconds" "$log/tidy"
}

case ${1:-all} in
all) all ;;
ci) ci ;;
asan) asan ;;
tsan) tsan ;;
*) echo "usage: tools/test.sh [asan|tsan|ci]" >&2; exit 2 ;;
esac

if [ $skipped -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ $failed = 0 ]
