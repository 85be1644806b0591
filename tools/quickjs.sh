#!/usr/bin/env bash
# Builds QuickJS as a static library and prints the folder that holds it (libquickjs.a, include/).
#
#   tools/quickjs.sh [release|address|thread]
#
# The source is Debian 13's source package, taken through apt from the mirror that this machine
# already uses, with a source list of its own so that the machine's configuration stays as it is.
# The tarball is checked by SHA-256. Everything lives in the user's cache and is built once.
set -euo pipefail

version=2025.04.26
sum=ec81da5b3249ed648dbc7df4a1654988910e66a118d9b71cb63534216efcfbbe
flavour=${1:-release}
cache=${GALE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/gale}/quickjs-$version
tarball=$cache/quickjs_$version.orig.tar.xz
src=$cache/src
cc=${CC:-cc}

say() { echo "quickjs: $*" >&2; }
die() { say "$*"; exit 1; }

# The first Debian mirror in apt's own sources.
mirror() {
    { cat /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null || true; } |
        grep -oE 'https?://[^] ]+/debian/?( |$)' | head -n 1 | tr -d ' '
}

fetch() {
    local apt=$cache/apt url
    url=$(mirror)
    [ -n "$url" ] || die "no Debian mirror in apt's sources; put the tarball at $tarball by hand"
    mkdir -p "$apt"/lists/partial "$apt"/cache/archives/partial
    echo "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $url trixie main" \
        >"$apt/sources.list"
    local opts=(-q -o "Dir::Etc::sourcelist=$apt/sources.list" -o Dir::Etc::sourceparts=-
        -o "Dir::State::lists=$apt/lists" -o "Dir::Cache=$apt/cache" -o APT::Sandbox::User=
        -o Acquire::Languages=none)
    apt-get "${opts[@]}" update >&2
    (cd "$cache" && apt-get "${opts[@]}" source --download-only quickjs >&2)
    rm -rf "$apt"
}

case $flavour in
release) flags=(-O2 -fno-omit-frame-pointer -g1) ;;
address) flags=(-O1 -g -fno-omit-frame-pointer -fsanitize=address) ;;
thread) flags=(-O1 -g -fno-omit-frame-pointer -fsanitize=thread) ;;
*) die "unknown flavour '$flavour': release, address or thread" ;;
esac
out=$cache/$flavour-$(basename "$cc")

mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ ! -f "$out/libquickjs.a" ]; then
    [ -f "$tarball" ] || { say "fetching $version"; fetch; }
    echo "$sum  $tarball" | sha256sum --check --quiet >&2 ||
        die "$tarball does not have the expected SHA-256; remove it and try again"
    if [ ! -d "$src" ]; then
        mkdir -p "$src.part"
        tar -xf "$tarball" -C "$src.part" --strip-components=1
        mv "$src.part" "$src"
    fi
    say "building ($flavour)"
    rm -rf "$out.part"
    mkdir -p "$out.part/include" "$out.part/obj"
    for unit in quickjs libregexp libunicode cutils dtoa; do
        "$cc" -std=gnu11 "${flags[@]}" -fwrapv -fvisibility=hidden -w \
            -D_GNU_SOURCE "-DCONFIG_VERSION=\"$version\"" \
            -c "$src/$unit.c" -o "$out.part/obj/$unit.o" &
    done
    wait
    ar rcs "$out.part/libquickjs.a" "$out.part"/obj/*.o
    cp "$src/quickjs.h" "$out.part/include/"
    rm -rf "$out.part/obj" "$out"
    mv "$out.part" "$out"
fi
echo "$out"
