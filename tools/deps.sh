#!/usr/bin/env bash
# Installs what gale is built, tested and measured with. Idempotent: what is there stays as it is.
#
#   tools/deps.sh [build] [test] [lint] [bench]      (default: build)
#
# Packages come from the distribution by name; QuickJS by tools/quickjs.sh, into the user's cache.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

build=(gcc libc6-dev cmake ninja-build pkg-config python3 xz-utils ca-certificates
    libssl-dev libc-ares-dev libnghttp2-dev libwslay-dev zlib1g-dev libbrotli-dev libzstd-dev
    libgumbo-dev libjansson-dev libarchive-dev libmicrohttpd-dev libsnappy-dev libsqlite3-dev
    libnats-dev libprotobuf-c-dev protobuf-c-compiler nats-server)
test=(openssl esbuild protobuf-compiler libprotobuf-dev python3-grpcio python3-protobuf prometheus
    openssh-client openssh-server victoria-metrics influxdb collectd-core chai libjs-lodash
    libjs-handlebars libfaketime iproute2 chromium python3-yaml python3-jsonschema)
lint=(clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev python3-yaml python3-jsonschema)
bench=(wrk nghttp2-client nginx-light chromium)

missing=()
for group in "${@:-build}"; do
    declare -n list=$group 2>/dev/null || { echo "deps: unknown group '$group'" >&2; exit 2; }
    for package in "${list[@]}"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed' ||
            missing+=("$package")
    done
done

if [ ${#missing[@]} -gt 0 ]; then
    command -v apt-get >/dev/null || {
        echo "deps: no apt-get here; install what these Debian packages hold: ${missing[*]}" >&2
        exit 1
    }
    sudo=()
    [ "$(id -u)" = 0 ] || sudo=(sudo)
    echo "deps: installing ${missing[*]}" >&2
    "${sudo[@]}" apt-get -qq update >&2
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 install -y \
        --no-install-recommends "${missing[@]}" >&2
fi

# Node builds the dashboard (20.19 or newer, with npm) and serves in tests. The distribution's own is
# taken where there is none; tools/web.sh says so when it is too old.
for group in "${@:-build}"; do
    if [[ "$group" =~ ^(build|test)$ ]] && ! command -v npm >/dev/null; then
        sudo=()
        [ "$(id -u)" = 0 ] || sudo=(sudo)
        "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y \
            --no-install-recommends nodejs npm >&2
    fi
done

"$here/quickjs.sh" release >/dev/null
