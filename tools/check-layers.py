#!/usr/bin/env python3
"""Holds the includes of src/ to the picture in ARCHITECTURE.md: who may include whom.

Also: each package's headers stay in the folder that wraps it, and locks and atomics in the files
that exist for them. Prints what breaks a rule, a line each, and exits 1. A new edge needs a line in
docs/decisions."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SRC = ROOT / "src"

# folder: the folders that it may include, itself aside
LAYERS = {
    "base": [],
    "loop": ["base"],
    "metrics": ["base"],
    "net": ["base", "loop"],
    "proto": ["base", "loop", "net"],
    "engine": ["base", "loop", "metrics"],
    "script": ["base", "loop", "net", "proto", "metrics", "engine"],
    "output": ["base", "loop", "net", "proto", "metrics"],
    "store": ["base", "metrics"],
    "fleet": ["base", "loop", "metrics", "engine", "output"],
    "api": ["base", "loop", "metrics", "engine", "output", "store", "fleet"],
    "cli": ["base", "loop", "net", "proto", "metrics", "engine", "script", "output", "store", "fleet", "api", "shop"],
    "shop": ["base", "loop", "net", "proto", "output"],
}

# package headers: the folders that may see them
PACKAGES = {
    r"openssl/": ["net", "script", "proto", "output", "fleet", "api", "cli"],
    r"ares\.h": ["net"],
    r"nghttp2/": ["proto"],
    r"wslay/": ["proto"],
    r"quickjs\.h": ["script"],
    r"gumbo\.h": ["script"],
    r"snappy-c\.h": ["output"],
    r"sys/epoll\.h": ["loop", "shop"],
    r"sqlite3\.h": ["store"],
    r"microhttpd": ["api"],
    r"nats": ["fleet"],
    r"(fleet\.pb-c|protobuf-c/.*)\.h": ["fleet"],
    r"uv\.h": [],
}

# What crosses threads lives in few places.
THREADS = re.compile(r"#include <(pthread|stdatomic)\.h>")
THREADS_ALLOWED = {
    "base/log.c",
    "loop/loop.c",
    "loop/mailbox.c",
    "loop/offload.c",
    "engine/run_state.h",
    "net/bandwidth.h",
    "engine/worker.c",
    "script/heap.c",
    "fleet/bus_internal.h",
    "fleet/delivery.c",
}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^>"]+)[>"]')


def check(path):
    """Yields the broken rules of one file."""
    name = path.relative_to(SRC).as_posix()
    folder = name.split("/")[0]
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        where = f"src/{name}:{number}"
        if THREADS.search(line) and name not in THREADS_ALLOWED:
            yield f"{where}: {line.strip()}: threads meet only in {', '.join(sorted(THREADS_ALLOWED))}"
        match = INCLUDE.match(line)
        if not match:
            continue
        quote, target = match.groups()
        if quote == '"' and "/" in target:
            other = target.split("/")[0]
            if other in LAYERS and other != folder and other not in LAYERS.get(folder, []):
                yield f"{where}: {folder} may not include {other} ({target})"
        elif quote == '"':
            yield f'{where}: "{target}": include by the path from src/'
        for package, folders in PACKAGES.items():
            if re.match(package, target) and folder not in folders:
                yield f"{where}: <{target}> belongs to {', '.join(folders) or 'nobody'}"


def main():
    files = [p for p in sorted(SRC.rglob("*")) if p.suffix in (".c", ".h", ".def")]
    broken = [line for path in files for line in check(path)]
    for folder in sorted(p.name for p in SRC.iterdir() if p.is_dir()):
        if folder not in LAYERS:
            broken.append(f"src/{folder}: no line in tools/check-layers.py says whom it may include")
    print("\n".join(broken) if broken else f"layers: {len(files)} files keep to the picture")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
