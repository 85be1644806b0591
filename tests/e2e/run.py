#!/usr/bin/env python3
"""End-to-end tests: real processes and real sockets on loopback.

    tests/e2e/run.py BINARY [NAME...]

A test is a function test_* in test_*.py that takes a `Lab`; it starts servers, runs the binary, and
asserts on exit codes, output, and what the servers saw. Tests run a few at a time; those of a module
that says WAITS = True mostly wait, and run beside them. The last line counts: 'N passed, N failed'."""
import concurrent.futures
import importlib.util
import os
import pathlib
import sys
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
from lab import Lab  # noqa: E402


def load():
    for path in sorted(HERE.glob("test_*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for name, fn in vars(module).items():
            if name.startswith("test_") and callable(fn):
                yield f"{path.stem[5:]}.{name[5:]}", fn, getattr(module, "WAITS", False)


def run_one(binary, name, fn):
    start = time.monotonic()
    lab = Lab(binary)
    try:
        fn(lab)
        return name, None, time.monotonic() - start
    except Exception:  # a test may fail in any way
        return name, traceback.format_exc() + lab.last_output(), time.monotonic() - start
    finally:
        lab.close()


def main():
    binary = pathlib.Path(sys.argv[1]).resolve()
    wanted = sys.argv[2:]
    tests = [t for t in load() if not wanted or any(w in t[0] for w in wanted)]
    failed = 0
    lanes = max(2, os.cpu_count() or 2)
    with (concurrent.futures.ThreadPoolExecutor(lanes) as pool,
          concurrent.futures.ThreadPoolExecutor(lanes) as idle):
        done = [(idle if waits else pool).submit(run_one, binary, name, fn)
                for name, fn, waits in tests]
        for future in concurrent.futures.as_completed(done):
            name, error, seconds = future.result()
            print(f"{'FAIL' if error else 'ok  '} {name} ({seconds:.1f} s)", flush=True)
            if error:
                failed += 1
                print("     " + error.replace("\n", "\n     "))
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
