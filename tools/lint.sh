#!/usr/bin/env bash
# Format, layers, house rules and clang-tidy. Prints every finding; exits 1 when there is one.
#
#   tools/lint.sh [--fast|--tidy]     --fast leaves clang-tidy out, --tidy all else
set -uo pipefail
cd "$(dirname "$0")/.."
failed=0
say() { printf '%s\n' "lint: $*"; }

quick() {
    mapfile -t code < <(git ls-files --cached --others --exclude-standard '*.c' '*.h')

    say "format (${#code[@]} files)"
    clang-format-14 --dry-run --Werror "${code[@]}" 2>&1 | grep -E 'error:' | head -40
    [ "${PIPESTATUS[0]}" = 0 ] || failed=1

    say "layers"
    python3 tools/check-layers.py || failed=1

    say "compatibility with k6"
    python3 tools/compatibility.py --check || failed=1

    say "the API's contract"
    python3 tools/check-openapi.py || failed=1

    say "house rules"
    # Functions that banned.h would remove: unbounded copies, hidden state, silent number errors.
    banned='\b(strcpy|strcat|sprintf|vsprintf|strtok|atoi|atol|atof|gets|localtime|gmtime|asctime|ctime)\('
    grep -nE "$banned" "${code[@]}" && failed=1
    grep -nE '^\s*//' $(printf '%s\n' "${code[@]}" | grep '^src/') && { say "comments are /* */"; failed=1; }
    git grep -nE '^(<{7}|>{7}) ' && { say "a merge was left half done"; failed=1; }
    for file in "${code[@]}"; do
        lines=$(wc -l <"$file")
        if [ "$lines" -gt 1000 ]; then
            say "$file has $lines lines: split it first (1,000 at most)"
            failed=1
        fi
    done
}

tidy() {
    local findings
    say "clang-tidy"
    findings=$(git ls-files 'src/*.c' | xargs -P "$(nproc)" -n 4 \
        clang-tidy-14 -p build/dev --quiet 2>&1) && return
    grep -E 'warning:|error:' <<<"$findings" || printf '%s\n' "$findings" | tail -n 20
    failed=1
}

case ${1:-} in
--fast) quick ;;
--tidy) # what it needs of a build are the generated headers; warnings are the builds' own business
    tools/build.sh dev fleet_messages >/dev/null || exit 1
    tidy
    ;;
*)
    quick
    tools/build.sh dev >/dev/null || exit 1
    tidy
    ;;
esac
[ "$failed" = 0 ] && say "clean"
exit "$failed"
