"""What a controller answers over a store that has two days of three regions: how long a run takes to
open, what queries, comparisons, exports and the report cost, and the controller's memory."""
import collections
import http.client
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from lab import Lab  # noqa: E402

RUN, BASE = "01hs4m8vz6d1", "01hs4m8vz6d2"
HOUR = "from=36000&to=39600"

# What the run page asks for first (web/src/data), one after the other.
PAGE = [f"runs/{RUN}"] + [
    f"runs/{RUN}/series?metric={metric}&agg={agg}&points=1200{by}"
    for metric, agg in (("vus", "value"), ("http_reqs", "rate"),
                        ("http_req_duration", "p(50),p(95),p(99)"), ("http_req_failed", "rate"))
    for by in ("", "&by=region")] + [
    f"runs/{RUN}/{part}" for part in ("thresholds", "agents", "events?limit=500", "logs?order=desc&limit=200")]

# By name: what is asked for; a query over the day is one over 11.9 million points.
ASKED = {
    "snapshot of the event stream": [f"runs/{RUN}/live"],
    "p(99.9) of all, the day": [f"runs/{RUN}/series?metric=http_req_duration&agg=p(99.9)"],
    "p(99.9) of one URL by region, the day":
        [f"runs/{RUN}/series?metric=http_req_duration&agg=p(99.9)&tag=name:/cart&by=region"],
    "3 percentiles by URL, the day":
        [f"runs/{RUN}/series?metric=http_req_waiting&agg=p(50),p(95),p(99)&by=name"],
    "p(95) by region, an hour by the second":
        [f"runs/{RUN}/series?metric=http_req_duration&agg=p(95)&by=region&step=1&{HOUR}"],
    "p(95) by region, the day in 8,640 steps":
        [f"runs/{RUN}/series?metric=http_req_duration&agg=p(95)&by=region&points=10000"],
    "summary of every metric, the day": [f"runs/{RUN}/summary"],
    "summary of every metric, an hour": [f"runs/{RUN}/summary?{HOUR}"],
    "requests by URL and region": [f"runs/{RUN}/urls?by=region"],
    "checks": [f"runs/{RUN}/checks"],
    "comparison of the two days by region": [f"runs/{RUN}/compare?with={BASE}&by=region"],
    "trend of the test's runs": ["tests/01hs4k2mb3w0/trend"],
    "list of runs": ["runs"],
    "export as JSON": [f"runs/{RUN}/export/json"],
    "export as HTML": [f"runs/{RUN}/export/html"],
    "export as JUnit XML": [f"runs/{RUN}/export/junit"],
    "export as CSV, a line per minute": [f"runs/{RUN}/export/csv?step=60"],
    "export as CSV, a line per 10 s": [f"runs/{RUN}/export/csv?step=10"],
}


Cost = collections.namedtuple("Cost", "seconds cpu bytes")  # CPU: the controller's


class Controller:
    def __init__(self, lab, folder):
        self.fleet = lab.fleet("--data", folder)
        self.proc = pathlib.Path(f"/proc/{self.fleet.controller.pid}")
        parts = urllib.parse.urlsplit(self.fleet.url)
        self.connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=300)

    def cpu(self):
        fields = (self.proc / "stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def ask(self, path):
        self.connection.request("GET", f"/api/v1/{path}")
        answer = self.connection.getresponse()
        size = 0
        while part := answer.read(1 << 20):
            size += len(part)
        if answer.status != 200:
            raise SystemExit(f"bench: {path}: {answer.status}")
        return size

    def cost(self, paths):
        """Of several, one after the other."""
        start, cpu = time.monotonic(), self.cpu()
        size = sum(self.ask(path) for path in paths)
        return Cost(time.monotonic() - start, self.cpu() - cpu, size)

    def peak_mb(self):
        status = (self.proc / "status").read_text(encoding="utf-8")
        return int(re.search(r"VmHWM:\s+(\d+)", status).group(1)) / 1024


def make(folder, seconds=86400):
    """The store, unless it is there; returns its bytes."""
    subprocess.run([ROOT / "tools" / "build.sh", "release", "store_bench"], check=True, capture_output=True)
    path = pathlib.Path(folder) / "gale.db"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([ROOT / "build" / "release" / "bench" / "store_bench", folder, str(seconds), "20", "2"],
                       check=True, capture_output=True)
    return path.stat().st_size


def forget(path):
    """Out of the page cache, so that it is read from the disk again."""
    with open(path, "rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def measure(folder):
    """(name, Cost, the controller's peak memory in MB) of each; the run's page first from a cold disk."""
    lab = Lab(ROOT / "build" / "gale")
    try:
        forget(pathlib.Path(folder) / "gale.db")
        controller = Controller(lab, folder)
        yield "open the run's page, cold", controller.cost(PAGE), controller.peak_mb()
        for name, paths in {"open the run's page": PAGE, **ASKED}.items():
            best = min((controller.cost(paths) for _ in range(3)), key=lambda cost: cost.seconds)
            yield name, best, controller.peak_mb()
    finally:
        lab.close()
