#!/usr/bin/env bash
# Builds the dashboard and the report (web/) and writes them as C: tools/web.sh OUTPUT.c
#
# The result lives in the user's cache under a hash of its sources: npm runs once per change, for
# all presets and work trees.
set -euo pipefail
cd "$(dirname "$0")/.."
output=$1
sources=$(cd web && find . -type f -not -path './node_modules/*' -not -path './dist*' | LC_ALL=C sort)
sum=$({ cat tools/embed.py; cd web; for f in $sources; do echo "$f"; cat "$f"; done; } | sha256sum | cut -c1-16)
cache=${GALE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gale}
done_file=$cache/web-$sum.c
mkdir -p "$cache"
if [ ! -f "$done_file" ]; then
    command -v npm >/dev/null || {
        echo "web: npm is not here, and the dashboard needs it: install Node.js 20.19 or newer with npm" >&2
        exit 1
    }
    exec 9>"$cache/web.lock"
    flock 9
    if [ ! -f "$done_file" ]; then
        work=$(mktemp -d "$cache/web.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        (cd web && tar cf - $sources) | tar xf - -C "$work"
        (cd "$work" && npm ci --no-audit --no-fund && npm run build) \
            >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
        python3 tools/embed.py "$work/dist" "$work/dist-report/report.html" "$work/static.c"
        mv "$work/static.c" "$done_file"
    fi
fi
cp "$done_file" "$output"
