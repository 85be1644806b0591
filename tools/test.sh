#!/usr/bin/env bash
# Builds and runs the tests; the last line counts them: 'N passed, N failed'.
#
#   tools/test.sh          everything, on the release build; then unit and script tests again under
#                          ASan+UBSan, and the threaded parts under TSan
#   tools/test.sh asan     unit, fuzz corpora and script tests under ASan+UBSan
#   tools/test.sh tsan     the threaded parts under TSan
set -uo pipefail
cd "$(dirname "$0")/.."
passed=0 failed=0 skipped=0
log=$(mktemp -d)
trap 'rm -rf "$log"' EXIT
export ASAN_OPTIONS=detect_leaks=1:abort_on_error=0 UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=0:exitcode=66:suppressions=$PWD/tests/tsan.supp

# step NAME COMMAND...: runs it and adds the counts of its last 'N passed, N failed' line.
step() {
    local name=$1 start=$SECONDS line code p f s
    shift
    "$@" >"$log/out" 2>&1
    code=$?
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log/out" | tail -n 1)
    p=$(sed -nE 's/^([0-9]+) passed.*/\1/p' <<<"$line")
    f=$(sed -nE 's/.* ([0-9]+) failed.*/\1/p' <<<"$line")
    s=$(sed -nE 's/.* ([0-9]+) skipped.*/\1/p' <<<"$line")
    if [ -z "$line" ]; then
        if [ $code = 0 ]; then p=1; else f=1; fi
    elif [ $code != 0 ] && [ "${f:-0}" = 0 ]; then
        f=1
    fi
    passed=$((passed + ${p:-0})) failed=$((failed + ${f:-0})) skipped=$((skipped + ${s:-0}))
    if [ $code = 0 ]; then
        echo "ok   $name: ${p:-0} ($((SECONDS - start)) s)"
    else
        echo "FAIL $name (exit $code, $((SECONDS - start)) s)"
        tail -n 60 "$log/out" | sed 's/^/     /'
    fi
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
        step "$(basename "$(dirname "$(dirname "$(dirname "$name")")")") ${name##*/}" "$name"
    done
}

corpora() {
    local dir=build/$1/tests/fuzz name
    for name in "$dir"/fuzz_*; do
        [ -x "$name" ] && [ -f "$name" ] || continue
        step "$1 ${name##*/} corpus" "$name" "tests/fuzz/corpus/${name##*/fuzz_}"
    done
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

case ${1:-all} in
all)
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
    ;;
asan) asan ;;
tsan) tsan ;;
*) echo "usage: tools/test.sh [asan|tsan]" >&2; exit 2 ;;
esac

if [ $skipped -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ $failed = 0 ]
