#!/usr/bin/env python3
"""gale beside its peers, in one run: prints each figure with the peer's and the ratio.

nginx is the target, alone on core 1; gale and its peer (wrk, h2load) take turns on core 0. Machines are
noisy, so pairs alternate and the best of each counts; WebSockets and gRPC have a target of their own
(bench/echo.c), as nginx has neither; ratios carry over to other machines, absolute
figures do not. `bench/run.py [CASE...]` runs some cases; --list names them; --json FILE keeps the
figures."""
import argparse
import collections
import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
SCRIPTS = ROOT / "bench" / "scripts"
GALE = ROOT / "build" / "gale"
LOAD_CORE, TARGET_CORE = "0", "1"

sys.path.insert(0, str(ROOT / "bench" / "fleet"))
sys.path.insert(0, str(ROOT / "bench" / "store"))
import day  # noqa: E402
import live  # noqa: E402

CASES = {}
results = {}
Target = collections.namedtuple("Target", "plain tls h2")


def case(fn):
    CASES[fn.__name__] = fn
    return fn


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def nginx():
    """Starts the target; yields its URLs: plain, TLS, and TLS with HTTP/2."""
    with tempfile.TemporaryDirectory(prefix="gale-bench-") as folder:
        port, tls_port, h2_port = free_port(), free_port(), free_port()
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", f"{folder}/key.pem",
             "-out", f"{folder}/cert.pem"], check=True, capture_output=True)
        conf = (ROOT / "bench" / "nginx.conf.in").read_text(encoding="utf-8")
        for key, value in {"DIR": folder, "PORT": port, "TLS_PORT": tls_port,
                           "H2_PORT": h2_port}.items():
            conf = conf.replace(f"@{key}@", str(value))
        path = pathlib.Path(folder) / "nginx.conf"
        path.write_text(conf, encoding="utf-8")
        binary = shutil.which("nginx") or "/usr/sbin/nginx"
        proc = subprocess.Popen(["taskset", "-c", TARGET_CORE, binary, "-c", path, "-p", folder],
                                stderr=subprocess.DEVNULL)
        try:
            for _ in range(100):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)
            yield Target(f"http://127.0.0.1:{port}/", f"https://127.0.0.1:{tls_port}/",
                         f"https://127.0.0.1:{h2_port}/")
        finally:
            proc.terminate()
            proc.wait()


@contextlib.contextmanager
def echo():
    """Starts the target of WebSockets and gRPC; yields the URL of the one and the address of the other."""
    with tempfile.TemporaryDirectory(prefix="gale-bench-") as folder:
        ws_port, grpc_port = free_port(), free_port()
        subprocess.run(["cc", "-O2", "-D_GNU_SOURCE", ROOT / "bench" / "echo.c", "-o", f"{folder}/echo",
                        "-lnghttp2", "-lcrypto"], check=True)
        proc = subprocess.Popen(["taskset", "-c", TARGET_CORE, f"{folder}/echo", str(ws_port),
                                 str(grpc_port)])
        try:
            for _ in range(100):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", grpc_port)):
                    break
                time.sleep(0.05)
            yield f"ws://127.0.0.1:{ws_port}/", f"127.0.0.1:{grpc_port}"
        finally:
            proc.terminate()
            proc.wait()


def run(args, env=None):
    """Runs a program on the load core; returns (stdout, cpu seconds, peak RSS in bytes, seconds)."""
    start = time.monotonic()
    out = tempfile.TemporaryFile()
    err = tempfile.TemporaryFile()
    proc = subprocess.Popen(["taskset", "-c", LOAD_CORE, *map(str, args)], stdout=out, stderr=err,
                            env={**os.environ, **(env or {})})
    _, status, usage = os.wait4(proc.pid, 0)
    proc.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - start
    out.seek(0)
    err.seek(0)
    text, errors = out.read().decode(errors="replace"), err.read().decode(errors="replace")
    if proc.returncode != 0:
        raise SystemExit(f"bench: {' '.join(map(str, args))} ended with {proc.returncode}\n"
                         f"{text[-2000:]}{errors[-2000:]}")
    return text + errors, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024, seconds


def gale(script, url, *flags, **env):
    """Runs gale; returns (metrics of its summary export, cpu seconds, peak RSS, seconds, text)."""
    with tempfile.NamedTemporaryFile(suffix=".json") as summary:
        text, cpu, rss, seconds = run(
            [GALE, "run", "--quiet", "--insecure-skip-tls-verify", "--summary-export", summary.name,
             *flags, SCRIPTS / script], {"URL": url or "", **{k: str(v) for k, v in env.items()}})
        metrics = json.loads(pathlib.Path(summary.name).read_text(encoding="utf-8"))["metrics"]
    return metrics, cpu, rss, seconds, text


def wrk(url, connections=64, seconds=5):
    """Runs wrk on one thread; returns (requests per second, requests, cpu seconds, latency ms)."""
    text, cpu, _, _ = run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url])
    total = int(re.search(r"(\d+) requests in", text).group(1))
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text).group(1))
    unit = {"us": 1e-3, "ms": 1.0, "s": 1e3}
    latency = {p: float(v) * unit[u] for p, v, u in re.findall(r"(\d+)%\s+([\d.]+)(us|ms|s)", text)}
    return rate, total, cpu, latency


def show(name, text, **figures):
    results[name] = {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}
    print(f"{name:<22} {text}", flush=True)


def h2load(url, connections=64, seconds=5, *flags):
    """Runs h2load, one stream a connection at a time; as wrk, without latencies."""
    text, cpu, _, _ = run(["h2load", "-t1", f"-c{connections}", "-m1", f"-D{seconds}", *flags, url])
    total = int(re.search(r"(\d+) succeeded", text).group(1))
    return total / seconds, total, cpu, {}


def throughput(name, url, peer=wrk, rounds=3, seconds=5):
    best_peer = best_gale = (0.0, 0.0)
    for _ in range(rounds):
        rate, total, cpu, _ = peer(url, 64, seconds)
        best_peer = max(best_peer, (rate, cpu / total * 1e6))
        metrics, cpu, _, _, _ = gale("get.js", url, "-u", "64", "-d", f"{seconds}s")
        best_gale = max(best_gale, (metrics["http_reqs"]["count"] / seconds,
                                    cpu / metrics["http_reqs"]["count"] * 1e6))
    ratio = best_gale[0] / best_peer[0]
    show(name, f"gale {best_gale[0]:>9,.0f} req/s, {best_gale[1]:.2f} µs CPU each | "
         f"{peer.__name__} {best_peer[0]:>9,.0f} req/s, {best_peer[1]:.2f} µs | ratio {ratio:.2f}",
         gale_rps=best_gale[0], peer_rps=best_peer[0], ratio=ratio,
         gale_cpu_us=best_gale[1], peer_cpu_us=best_peer[1])


@case
def http(target):
    """requests per second on one core at 64 VUs, and the CPU time of one"""
    throughput("http", target.plain)


@case
def traces(target):
    """what trace contexts, exemplars and spans add to the CPU time of a request"""
    context = ["--trace-propagation", "w3c,sampling=0"]
    collector = f"otel={target.plain}none,proto=http"  # it refuses them: they are made and sent all the same
    modes = {
        "off": [],
        "contexts": context,
        "exemplars": ["--summary-exemplars"],
        "both": [*context, "--summary-exemplars"],
        "spans": ["--trace-propagation", "w3c", "--traces-output", collector],
    }
    best = dict.fromkeys(modes, 1e9)
    for _ in range(5):
        for name, flags in modes.items():
            metrics, cpu, _, _, _ = gale("get.js", target.plain, "-u", "64", "-d", "3s", *flags)
            best[name] = min(best[name], cpu / metrics["http_reqs"]["count"] * 1e6)
    show("traces", f"{best['off']:.2f} µs CPU a request; " + ", ".join(
        f"{name} {best[name] - best['off']:+.2f}" for name in modes if name != "off"),
         **{f"{name}_cpu_us": value for name, value in best.items()})


@case
def https(target):
    """the same over TLS 1.3 (HTTP/1.1 on both sides)"""
    throughput("https", target.tls)


@case
def http2(target):
    """HTTP/2, one connection a VU, one stream at a time, against h2load -m1"""
    throughput("http2", target.h2, h2load)


@case
def memory(target):
    """resident memory per VU, with a script that checks and parses JSON"""
    _, _, base, _, _ = gale("check_json.js", target.plain, "-u", "1", "-d", "2s")
    for vus in (1000, 10000):
        _, _, rss, _, _ = gale("check_json.js", target.plain, "-u", vus, "-d", "5s")
        per_vu = (rss - base) / (vus - 1) / 1024
        show(f"memory_{vus}", f"{per_vu:.1f} KB per VU at {vus:,} VUs ({rss / 2**20:,.0f} MB in all)",
             kb_per_vu=per_vu, rss_mb=rss / 2**20)


@case
def rate(target):
    """constant-arrival-rate: the highest of some rates with no dropped iteration"""
    for wanted in (10000, 20000, 40000, 50000):
        metrics, cpu, _, _, _ = gale("rate.js", target.plain, RATE=wanted, DURATION="5s", VUS=200)
        dropped = metrics.get("dropped_iterations", {}).get("count", 0)
        p95 = metrics["http_req_duration"]["p(95)"]
        # wrk has no rate of its own: as many connections as give about that rate.
        closest = min((wrk(target.plain, c, 2) for c in (1, 2, 4, 8, 16)),
                      key=lambda r: abs(r[0] - wanted))
        show(f"rate_{wanted}", f"{metrics['http_reqs']['count'] / 5:,.0f}/s made, {dropped} dropped, "
             f"p(95) {p95:.2f} ms | wrk at {closest[0]:,.0f}/s: p(90) {closest[3].get('90', 0):.2f} "
             f"p(99) {closest[3].get('99', 0):.2f} ms",
             made=metrics["http_reqs"]["count"] / 5, dropped=dropped, p95=p95,
             wrk_rate=closest[0], wrk_p90=closest[3].get("90", 0.0),
             wrk_p99=closest[3].get("99", 0.0))


@case
def start(_target):
    """seconds to initialise 10,000 VUs, run one empty iteration on each, and end"""
    _, cpu, rss, seconds, _ = gale("empty.js", None, "-u", 10000, "-i", 10000)
    show("start_10000", f"{seconds:.2f} s for 10,000 VUs ({cpu:.2f} s CPU, {rss / 2**20:,.0f} MB)",
         seconds=seconds, cpu=cpu, rss_mb=rss / 2**20)


@case
def connections(target):
    """15,000 VUs, each with its connection, one request a second"""
    metrics, cpu, rss, seconds, _ = gale("connections.js", target.plain, "-u", 15000, "-d", "10s")
    duration = metrics["http_req_duration"]
    failed = metrics["http_req_failed"]["value"]
    show("connections_15000", f"{metrics['http_reqs']['count']:,} requests, "
         f"avg {duration['avg']:.2f} ms, p(95) {duration['p(95)']:.2f} ms, {failed:.2%} failed, "
         f"{cpu / seconds:.0%} of a core, {rss / 2**20:,.0f} MB",
         avg=duration["avg"], p95=duration["p(95)"], failed=failed, rss_mb=rss / 2**20)


@case
def sleepers(_target):
    """100,000 VUs that only sleep"""
    metrics, cpu, rss, seconds, _ = gale("sleep.js", None, "-u", 100000, "-d", "10s")
    late = metrics["iteration_duration"]["p(95)"] - 1000
    show("sleepers_100000", f"{metrics['iterations']['count']:,} iterations, p(95) {late:.1f} ms over "
         f"the second, {cpu / seconds:.0%} of a core, {rss / 2**30:.1f} GB",
         p95_late=late, rss_gb=rss / 2**30, kb_per_vu=rss / 1e5 / 1024)


@case
def fleet(_target):
    """agents' windows into one controller's collector: CPU, memory, and what grows with what"""
    subprocess.run([ROOT / "tools" / "build.sh", "release", "fleet_bench"], check=True,
                   capture_output=True)
    program = ROOT / "build" / "release" / "bench" / "fleet_bench"
    # agents, series each, values per series and second, seconds
    for name, shape in {"fleet_1000": (1000, 50, 20, 60), "fleet_4000": (4000, 50, 20, 30),
                        "fleet_200_series": (1000, 200, 20, 30),
                        "fleet_100_values": (1000, 50, 100, 30),
                        "fleet_600_values": (1000, 50, 600, 10),
                        "fleet_instances": (1000, 50, 20, 30, "instances")}.items():
        figures = json.loads(run([program, *shape])[0])
        show(name, f"{shape[0]:,} agents of {shape[1]} series with {shape[2]} values: "
             f"{figures['core']:.1%} of a core, {figures['mb']:.0f} MB and "
             f"{figures['kb_per_second']:.0f} KB a second, {figures['bytes']:,} bytes a message",
             **figures)


@case
def fleet_start(_target):
    """how far apart 12 agents in 3 regions, all on this machine, begin their first iterations"""
    spread = live.start_spread()
    show("fleet_start", f"{statistics.median(spread):.2f} ms between the first and the last of 12 agents "
         f"(median of {len(spread)} runs, {min(spread):.2f} to {max(spread):.2f})",
         median_ms=statistics.median(spread), min_ms=min(spread), max_ms=max(spread))


@case
def fleet_restore(_target):
    """seconds from the SIGKILL of an agent until the region makes its whole load again"""
    seconds = live.restore()
    show("fleet_restore", f"{statistics.median(seconds):.1f} s from a kill to restored load (median of "
         f"{len(seconds)}, worst {max(seconds):.1f})",
         median_s=statistics.median(seconds), max_s=max(seconds))


@case
def fleet_abort(_target):
    """seconds from exec.test.abort() on one agent of six until none begins anything"""
    seconds = live.stopped_after()
    show("fleet_abort", f"{statistics.median(seconds):.2f} s from an abort to the last begin on 6 agents "
         f"(median of {len(seconds)}, worst {max(seconds):.2f})",
         median_s=statistics.median(seconds), max_s=max(seconds))


@case
def fleet_bytes(target):
    """bytes that an agent sends to NATS and receives per second: idle, and with 50 requests a second"""
    idle, busy = live.traffic(target.plain)
    show("fleet_bytes", f"an agent sends {busy[0]:,.0f} bytes a second with 50 requests/s, receives "
         f"{busy[1]:,.0f}; idle {idle[0]:,.0f} and {idle[1]:,.0f}",
         sent=busy[0], received=busy[1], idle_sent=idle[0], idle_received=idle[1])


@case
def api(_target):
    """a controller on two days of three regions, 23.8 million points: a run's page, queries, exports"""
    with tempfile.TemporaryDirectory(prefix="gale-bench-", dir=ROOT / "build") as folder:
        size = day.make(folder)
        show("api_store", f"{size / 1e6:,.0f} MB", mb=size / 1e6)
        for name, cost, peak in day.measure(folder):
            show(f"api: {name}", f"{cost.seconds:.2f} s, {cost.cpu:.2f} s of CPU, {cost.bytes / 1e3:,.0f} KB; "
                 f"{peak:.0f} MB at most until then", peak_mb=peak, **cost._asdict())


@case
def ws(_target):
    """WebSocket messages per second there and back, 64 sockets with 8 messages under way each"""
    seconds, best = 5, (0.0, 0.0)
    with echo() as (url, _):
        for _ in range(3):
            metrics, cpu, _, _, _ = gale("ws.js", url, "-u", 64, "-i", 64, SECONDS=seconds)
            count = metrics["ws_msgs_received"]["count"]
            best = max(best, (count / seconds, cpu / count * 1e6))
    show("ws", f"{best[0]:,.0f} messages/s each way, {best[1]:.2f} µs CPU for one there and back",
         per_second=best[0], cpu_us=best[1])


@case
def ws_memory(_target):
    """resident memory per open WebSocket: 10 users with 1,000 each"""
    with echo() as (url, _):
        _, _, base, _, _ = gale("ws_idle.js", url, "-u", 10, "-i", 10, SOCKETS=1)
        metrics, _, rss, _, _ = gale("ws_idle.js", url, "-u", 10, "-i", 10, SOCKETS=1000)
    per_socket = (rss - base) / (10 * 999) / 1024
    show("ws_memory", f"{per_socket:.1f} KB per open socket, "
         f"{metrics['ws_sessions']['count']:,} sockets in {rss / 2**20:,.0f} MB",
         kb_per_socket=per_socket, rss_mb=rss / 2**20)


@case
def grpc(_target):
    """gRPC unary calls per second over 64 connections, one at a time, against h2load -m1"""
    seconds, best_peer, best_gale = 5, (0.0, 0.0), (0.0, 0.0)
    with echo() as (_, address), tempfile.NamedTemporaryFile() as body:
        body.write(b"\0\0\0\0\7\x0a\5hello")  # the message that the script sends
        body.flush()
        for _ in range(3):
            rate, total, cpu, _ = h2load(f"http://{address}/bench.Echo/Say", 64, seconds, "-d",
                                         body.name, "-H", "content-type: application/grpc", "-H",
                                         "te: trailers")
            best_peer = max(best_peer, (rate, cpu / total * 1e6))
            metrics, cpu, _, _, _ = gale("grpc.js", address, "-u", 64, "-d", f"{seconds}s")
            count = metrics["iterations"]["count"]
            best_gale = max(best_gale, (count / seconds, cpu / count * 1e6))
    show("grpc", f"gale {best_gale[0]:>9,.0f} calls/s, {best_gale[1]:.2f} µs CPU each | h2load "
         f"{best_peer[0]:>9,.0f} req/s, {best_peer[1]:.2f} µs | ratio {best_gale[0] / best_peer[0]:.2f}",
         gale_rps=best_gale[0], peer_rps=best_peer[0], ratio=best_gale[0] / best_peer[0],
         gale_cpu_us=best_gale[1], peer_cpu_us=best_peer[1])


def javascript(name, script, unit, factor=1):
    """How often a core does what the script does, by the CPU time that it took."""
    metrics, cpu, _, _, _ = gale(script, None, "-u", 1, "-d", "5s")
    rate = metrics["iterations"]["count"] * factor / cpu
    show(name, f"{rate:,.0f} {unit} per second of CPU, {1e6 / rate:.1f} µs each", rate=rate,
         cpu_us=1e6 / rate)


@case
def js_json(_target):
    """JSON.parse of 1 MB"""
    javascript("js_json", "js_json.js", "documents of 1 MB")


@case
def js_checks(_target):
    """check() with three checks"""
    javascript("js_checks", "js_checks.js", "check() of three", 1000)


@case
def js_html(_target):
    """parseHTML of 75 KB and six selections"""
    javascript("js_html", "js_html.js", "pages of 75 KB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="see --list; default: all")
    parser.add_argument("--list", action="store_true", help="name the cases and end")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    args = parser.parse_args()
    if args.list:
        for name, fn in CASES.items():
            print(f"{name:<14} {fn.__doc__}")
        return 0
    unknown = set(args.cases) - set(CASES)
    if unknown:
        parser.error(f"no case {', '.join(sorted(unknown))}; see --list")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if os.cpu_count() < 2:
        print("bench: one core only: gale and its target share it", file=sys.stderr)
    with nginx() as target:
        for name in args.cases or CASES:
            CASES[name](target)
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
