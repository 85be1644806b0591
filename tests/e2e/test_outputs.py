"""Outputs against what they are for: Prometheus, VictoriaMetrics, InfluxDB, collectd's StatsD server
and a receiver of OTLP. What is read back from them is what the summary says."""
import contextlib
import hashlib
import hmac
import json
import pathlib
import socket
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from lab import free_port, ok

HERE = pathlib.Path(__file__).resolve().parent

# Values depend on the iteration's number alone; each kind of metric, tags that need escaping.
SCRIPT = """
import { Trend, Rate, Gauge, Counter } from 'k6/metrics';
import { check } from 'k6';
import exec from 'k6/execution';
export const options = {
  summaryTrendStats: ['avg', 'min', 'med', 'max', 'p(90)', 'p(95)', 'p(99)', 'count'],
  scenarios: { a: { executor: 'constant-arrival-rate', rate: 80, duration: __ENV.TIME || '3s',
                    preAllocatedVUs: 100, tags: { 'odd tag': 'a=b, "c"' } } },
};
const took = new Trend('took', true), size = new Trend('size');
const errs = new Rate('errs'), level = new Gauge('level'), things = new Counter('things');
export default function () {
  const i = exec.scenario.iterationInTest;
  took.add(1 + (i * 37) % 100); size.add(i % 7 - 3); errs.add(i % 10 === 0); level.add(7); things.add(2.5);
  check(i, { 'is, "one"': (x) => x >= 0 }, { kind: i % 2 ? 'odd' : 'even' });
}
"""


def get(url, **query):
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}", timeout=10) as r:
        return json.loads(r.read() or b"null")


class Service:
    """A server process; `alive` is a URL that answers once it is ready."""

    def __init__(self, lab, args, alive=None):
        self.args, self.alive, self.dir = [str(a) for a in args], alive, lab.dir
        lab.closing.append(self.kill)
        self.start()

    def start(self):
        with open(self.dir / "service.log", "ab") as log:
            self.proc = subprocess.Popen(self.args, stdout=log, stderr=log, cwd=self.dir)
        deadline = time.monotonic() + 30
        while self.alive:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(self.alive, timeout=5).close()
                return
            assert time.monotonic() < deadline and self.proc.poll() is None, \
                (self.dir / "service.log").read_text()[-2000:]
            time.sleep(0.1)

    def kill(self):
        self.proc.kill()
        self.proc.wait()


def prometheus(lab):
    port = free_port()
    lab.file("prometheus.yml", "global: {}\n")
    Service(lab, ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=tsdb",
                  f"--web.listen-address=127.0.0.1:{port}", "--web.enable-remote-write-receiver",
                  "--enable-feature=native-histograms"], f"http://127.0.0.1:{port}/-/ready")
    return f"http://127.0.0.1:{port}"


def influxdb(lab):
    port = free_port()
    lab.file("influx.conf", f"""
reporting-disabled = true
bind-address = "127.0.0.1:{free_port()}"
[meta]
dir = "{lab.dir}/influx/meta"
[data]
dir = "{lab.dir}/influx/data"
wal-dir = "{lab.dir}/influx/wal"
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
""")
    url = f"http://127.0.0.1:{port}"
    return Service(lab, ["influxd", "-config", lab.dir / "influx.conf"], f"{url}/ping"), url


def victoria(lab):
    port = free_port()
    Service(lab, ["victoria-metrics", f"-storageDataPath={lab.dir}/vm", "-retentionPeriod=1d", "-search.latencyOffset=1ms",
                  f"-httpListenAddr=127.0.0.1:{port}"], f"http://127.0.0.1:{port}/health")
    return f"http://127.0.0.1:{port}"


def near(got, want, share=1e-9):
    assert abs(float(got) - want) <= share * max(abs(want), 1e-12) + 1e-12, (got, want)


def query(base, text):
    """The values of an instant query, by the series' labels (without the name) as text."""
    result = get(f"{base}/api/v1/query", query=text)["data"]["result"]
    return [(r["metric"], float(r["value"][1])) for r in result]


def one(base, text):
    values = query(base, text)
    assert len(values) == 1, (text, values)
    return values[0][1]


def arrivals(m):
    """What the load asked for; a machine that stands still for a moment starts a few of them too late."""
    return m["iterations"]["count"] + m.get("dropped_iterations", {}).get("count", 0)


def run(lab, out, env=None, *flags):
    r, m = lab.summary(SCRIPT, "-o", out, *flags, env=env)
    assert r.code == 0 and "could not" not in r.stderr, r.text
    assert arrivals(m) == 241 or "TIME" in (env or {}), m
    return r, m


def check_prometheus_stats(base, m):
    near(one(base, "k6_iterations_total"), m["iterations"]["count"])
    near(one(base, "k6_things_total"), m["things"]["count"])
    near(one(base, "k6_errs_rate"), m["errs"]["value"])
    near(one(base, "k6_level"), m["level"]["value"])
    for suffix, stat in (("p95", "p(95)"), ("avg", "avg"), ("min", "min"), ("max", "max"),
                         ("med", "med")):
        near(one(base, f"k6_took_{suffix}"), m["took"][stat] / 1000)
        near(one(base, f"k6_size_{suffix}"), m["size"][stat])
    near(one(base, "k6_took_count"), m["took"]["count"])
    near(one(base, "k6_took_sum"), m["took"]["avg"] * m["took"]["count"] / 1000)
    checks = query(base, "k6_checks_rate")
    assert sorted(labels["kind"] for labels, _ in checks) == ["even", "odd"], checks
    for labels, value in checks:
        assert value == 1 and labels["check"] == 'is, "one"', checks
        assert labels["odd_tag"] == 'a=b, "c"' and labels["scenario"] == "a", checks


RW_STATS = {"K6_PROMETHEUS_RW_PUSH_INTERVAL": "1s",
            "K6_PROMETHEUS_RW_TREND_STATS": "p(95),avg,min,max,med,count,sum"}


def test_prometheus_has_what_the_summary_says(lab):
    base = prometheus(lab)
    _, m = run(lab, "experimental-prometheus-rw",
               {**RW_STATS, "K6_PROMETHEUS_RW_SERVER_URL": f"{base}/api/v1/write",
                "K6_PROMETHEUS_RW_LABELS": "server=one,where=here"})
    check_prometheus_stats(base, m)
    assert query(base, "k6_iterations_total")[0][0]["server"] == "one"


def test_prometheus_native_histograms_and_stale_marks(lab):
    base = prometheus(lab)
    _, m = run(lab, f"prometheus-rw={base}/api/v1/write",
               {"K6_PROMETHEUS_RW_PUSH_INTERVAL": "1s", "K6_PROMETHEUS_RW_STALE_MARKERS": "true"},
               "--features", "native-histograms")
    for name in ("k6_took_seconds", "k6_iterations_total"):
        assert query(base, name) == [], name  # marked as ended
    # What was true just before that.
    (raw,) = get(f"{base}/api/v1/query", query="k6_iterations_total[1m]")["data"]["result"]
    at = raw["values"][-1][0]

    def value(text):
        (r,) = get(f"{base}/api/v1/query", query=text, time=at)["data"]["result"]
        return float(r["value"][1])
    near(value("histogram_count(k6_took_seconds)"), m["took"]["count"])
    near(value("histogram_sum(k6_took_seconds)"), m["took"]["avg"] * m["took"]["count"] / 1000)
    near(value("histogram_quantile(0.95, k6_took_seconds)"), m["took"]["p(95)"] / 1000, 0.1)
    near(value("histogram_count(k6_size)"), m["size"]["count"])  # negative, zero and positive
    near(value("histogram_fraction(-1e9, -0.1, k6_size)"), 105 / 241, 0.1)


def test_victoria_metrics_by_remote_write_and_influx_v2(lab):
    base = victoria(lab)
    _, m = run(lab, f"prometheus-rw={base}/api/v1/write", RW_STATS)
    visible(base, "k6_iterations_total", m["iterations"]["count"])
    check_prometheus_stats(base, m)
    _, m = run(lab, "xk6-influxdb", {
        "K6_INFLUXDB_ADDR": base, "K6_INFLUXDB_BUCKET": "runs", "K6_INFLUXDB_ORGANIZATION": "us",
        "K6_INFLUXDB_TOKEN": "secret", "K6_INFLUXDB_PRECISION": "1ms"})
    visible(base, "sum_over_time(iterations_value[1m])", m["iterations"]["count"])
    near(one(base, "sum_over_time(took_count[1m])"), m["took"]["count"])
    near(one(base, "max_over_time(took_max[1m])"), m["took"]["max"])


def visible(base, text, want):
    """VictoriaMetrics shows what it has a moment later."""
    deadline = time.monotonic() + 15
    while [v for _, v in query(base, text)] != [want]:
        assert time.monotonic() < deadline, (text, query(base, text), want)
        time.sleep(0.2)


def influx(base, text, db="k6"):
    """Each statement's first series as a dict of its first row."""
    results = get(f"{base}/query", db=db, q=text)["results"]
    return [dict(zip(r["series"][0]["columns"], r["series"][0]["values"][0])) for r in results]


def test_influxdb_has_what_the_summary_says(lab):
    _, base = influxdb(lab)
    _, m = run(lab, f"influxdb={base}/mine")
    count, took, errs, level, checks = influx(
        base, 'SELECT sum(value) FROM iterations; SELECT sum("count"), sum("sum"), min("min"), max("max") FROM took;'
        'SELECT sum(passes), sum(fails) FROM errs; SELECT last(value) FROM level;'
        """SELECT sum(passes) FROM checks WHERE "check" = 'is, "one"' AND "odd tag" = 'a=b, "c"'""", "mine")
    assert count["sum"] == m["iterations"]["count"]
    assert took["sum"] == m["took"]["count"] and took["min"] == m["took"]["min"]
    assert took["max"] == m["took"]["max"]
    near(took["sum_1"], m["took"]["avg"] * m["took"]["count"])
    assert [errs["sum"], errs["sum_1"]] == [m["errs"]["passes"], m["errs"]["fails"]]
    assert level["last"] == 7 and checks["sum"] == m["checks"]["passes"]


def test_influxdb_with_every_sample(lab):
    _, base = influxdb(lab)
    _, m = run(lab, "influxdb", {"K6_INFLUXDB_ADDR": base, "K6_INFLUXDB_SAMPLES": "true",
                                 "K6_INFLUXDB_TAGS_AS_FIELDS": "vu:int,iter:int,kind"},
               "--system-tags", "vu,iter,check,scenario")
    took, checks = influx(base, "SELECT count(value), mean(value), max(value) FROM took;"
                          "SELECT count(value), count(vu), max(iter), count(kind) FROM checks")
    assert took["count"] == m["took"]["count"] and took["max"] == m["took"]["max"]
    near(took["mean"], m["took"]["avg"])
    assert checks["count"] == m["checks"]["passes"] == checks["count_1"] == checks["count_2"]
    assert checks["max"] > 0


def test_a_backend_that_is_away_for_a_while_gets_everything(lab):
    service, base = influxdb(lab)
    path = lab.file("s.js", SCRIPT)
    proc = lab.start("run", "--quiet", "-o", f"influxdb={base}/k6", "--summary-export", "sum.json",
                     path, env={"TIME": "8s"})
    time.sleep(2.5)
    service.kill()
    time.sleep(2)
    service.start()
    _, err = proc.communicate(timeout=40)
    m = json.loads((lab.dir / "sum.json").read_text())["metrics"]
    made = m["iterations"]["count"]
    assert proc.returncode == 0 and arrivals(m) == 641 and made > 600, (err, m)
    assert err.count("trying again") == 1 and err.count("delivering again") == 1, err
    assert "were delivered in the end" in err, err
    count, took = influx(base, 'SELECT sum(value) FROM iterations; SELECT sum("count") FROM took')
    assert count["sum"] == made and took["sum"] == made, (count, took, made)


def test_a_backend_that_dies_costs_nothing_but_its_data(lab):
    service, base = influxdb(lab)
    path = lab.file("s.js", SCRIPT)
    proc = lab.start("run", "--quiet", "-o", f"influxdb={base}/k6", "--summary-export", "sum.json",
                     path, env={"TIME": "4s"})
    time.sleep(2.5)
    service.kill()
    _, err = proc.communicate(timeout=40)
    m = json.loads((lab.dir / "sum.json").read_text())["metrics"]
    assert proc.returncode == 0 and arrivals(m) == 321 and m["iterations"]["count"] > 300, (err, m)
    assert err.count("trying again") == 1 and err.count("could not be delivered") == 1, err
    words = err.split("could not be delivered")[0].split()
    dropped, made = int(words[-4]), int(words[-2])
    delivered = int(err.split("could not be delivered, ")[1].split()[0])
    assert dropped > 0 and delivered > 0 and dropped + delivered == made, err
    service.start()
    kept = sum(r["count_value"] for r in influx_counts(base))
    assert kept == delivered, (kept, delivered)


def influx_counts(base):
    results = get(f"{base}/query", db="k6", q="SELECT count(value) AS count_value FROM /.*/")["results"]
    return [dict(zip(s["columns"], s["values"][0])) for s in results[0]["series"]]


def test_an_unreachable_backend_neither_fails_nor_delays(lab):
    nobody = free_port()
    start = time.monotonic()
    r, m = lab.summary(SCRIPT, "-o", f"influxdb=http://127.0.0.1:{nobody}/k6",
                       "-o", f"prometheus-rw=http://127.0.0.1:{nobody}/api/v1/write",
                       "-o", f"statsd=127.0.0.1:{nobody}", "-o", "opentelemetry",
                       env={"K6_OTEL_GRPC_EXPORTER_ENDPOINT": f"127.0.0.1:{nobody}",
                            "K6_OTEL_GRPC_EXPORTER_INSECURE": "true"})
    assert r.code == 0 and arrivals(m) == 241 and m["iterations"]["count"] > 220, r.text
    assert time.monotonic() - start < 30
    assert r.stderr.count("could not be delivered, 0 were") >= 3, r.stderr
    for name in ("influxdb", "prometheus-rw", "opentelemetry"):
        assert r.stderr.count(f"output {name} ") == 2, (name, r.stderr)  # at first and at the end
    assert "connection refused" in r.stderr


def test_an_answer_that_refuses_is_said(lab):
    def talk(conn, _):
        body = b"no such token\n"
        conn.sendall(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s"
                     % (len(body), body))
    server = lab.server(talk)
    r, _ = lab.summary(SCRIPT, "-o", f"influxdb={server.url}/k6")
    assert r.code == 0 and "401 Unauthorized: no such token" in r.stderr, r.stderr
    assert r.stderr.count("is lost") == 1 and "could not be delivered, 0 were" in r.stderr, r.stderr


def test_a_redirect_is_no_delivery(lab):
    def talk(conn, data):
        read_request(conn, data)
        if b"/elsewhere" in data:
            ok(conn, extra=b"Connection: close\r\n")
        else:
            conn.sendall(b"HTTP/1.1 301 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
    server = lab.server(talk)
    r, _ = lab.summary(SCRIPT, "-o", f"prometheus-rw={server.url}/w", env={"TIME": "1s"})
    assert r.code == 0 and server.requests == 1, r.text
    assert "301 Moved: use the address that it redirects to: /elsewhere" in r.stderr, r.stderr
    assert "could not be delivered, 0 were" in r.stderr, r.stderr


def test_tags_that_are_too_long_cost_their_points_only(lab):
    """What a backend would refuse together with all that goes along."""
    text = """import { Counter } from 'k6/metrics';
        const small = new Counter('small'), large = new Counter('large');
        export const options = { iterations: 10 };
        export default function () { small.add(1); large.add(1, { tag: 'x'.repeat(70000) }); }"""
    service, base = influxdb(lab)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        r, m = lab.summary(text, "-o", f"influxdb={base}/k6", "-o", f"statsd=127.0.0.1:{s.getsockname()[1]}",
                           env={"K6_STATSD_ENABLE_TAGS": "true"})
        s.settimeout(0.5)
        lines = []
        with contextlib.suppress(OSError):
            while True:
                lines += s.recv(65536).decode().splitlines()
    for name in ("influxdb", "statsd"):
        (said, lost) = [line for line in r.stderr.splitlines() if f"output {name} " in line]
        assert "a point of large has 70" in said and "tags are too long; such points are left out" in said, r.stderr
        assert "points could not be delivered" in lost, r.stderr
    assert r.code == 0 and influx(base, "SELECT sum(value) FROM small")[0]["sum"] == 10, r.text
    assert sum(float(x.split(":")[1].split("|")[0]) for x in lines if x.startswith("k6.small:")) == 10, lines


def read_request(conn, data):
    head, _, body = data.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    headers = {k.lower(): v for k, v in headers.items()}
    while len(body) < int(headers.get("content-length", 0)):
        body += conn.recv(65536)
    return head.split(b"\r\n")[0].decode(), headers, body


def test_headers_and_retry_after(lab):
    seen = []

    def talk(conn, data):
        seen.append((time.monotonic(), *read_request(conn, data)))
        if len(seen) == 1:
            conn.sendall(b"HTTP/1.1 503 Busy\r\nRetry-After: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        else:
            ok(conn, extra=b"Connection: close\r\n")
    server = lab.server(talk)
    run(lab, f"prometheus-rw={server.url}/w", {
        "K6_PROMETHEUS_RW_USERNAME": "me", "K6_PROMETHEUS_RW_PASSWORD": "pass:word",
        "K6_PROMETHEUS_RW_HTTP_HEADERS": "X-One:1,X-Two:2", "K6_PROMETHEUS_RW_HEADERS_X-Three": "3",
        "K6_PROMETHEUS_RW_PUSH_INTERVAL": "1s"})
    _, line, headers, body = seen[0]
    assert line == "POST /w HTTP/1.1"
    assert headers["authorization"] == "Basic bWU6cGFzczp3b3Jk", headers
    assert [headers[f"x-{n}"] for n in ("one", "two", "three")] == ["1", "2", "3"], headers
    assert headers["content-encoding"] == "snappy"
    assert headers["x-prometheus-remote-write-version"] == "0.1.0"
    assert seen[1][3] == body and seen[1][0] - seen[0][0] > 1.9, "the same again, after the pause"


def test_aws_signature(lab):
    seen = []

    def talk(conn, data):
        seen.append(read_request(conn, data))
        ok(conn, extra=b"Connection: close\r\n")
    server = lab.server(talk)
    keys = {"K6_PROMETHEUS_RW_SIGV4_REGION": "eu-west-1", "K6_PROMETHEUS_RW_SIGV4_ACCESS_KEY": "AKID",
            "K6_PROMETHEUS_RW_SIGV4_SECRET_KEY": "secret key"}
    run(lab, f"prometheus-rw={server.url}/workspaces/ws-1/api/v1/remote_write", {**keys, "TIME": "1s"})

    def sha(text):
        return hashlib.sha256(text).hexdigest()

    def sign(key, text):
        return hmac.new(key, text.encode(), hashlib.sha256).digest()
    for _, headers, body in seen:
        date = headers["x-amz-date"]
        canonical = (f"POST\n/workspaces/ws-1/api/v1/remote_write\n\nhost:{headers['host']}\nx-amz-date:{date}\n\n"
                     f"host;x-amz-date\n{sha(body)}")
        scope = f"{date[:8]}/eu-west-1/aps/aws4_request"
        key = b"AWS4secret key"
        for part in scope.split("/"):
            key = sign(key, part)
        want = sign(key, f"AWS4-HMAC-SHA256\n{date}\n{scope}\n{sha(canonical.encode())}").hex()
        assert headers["authorization"].endswith(f"Signature={want}"), headers
    del keys["K6_PROMETHEUS_RW_SIGV4_REGION"]
    r = lab.script("export default function () {}", "-o", "prometheus-rw", env=keys)
    assert r.code == 104 and "go together" in r.stderr, r.text


def test_tls_with_client_certificates(lab):
    context = lab.certificate("localhost")
    lab.certificate("client")
    context.load_verify_locations(lab.dir / "client.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = lab.server(lambda conn, data: (read_request(conn, data),
                                            ok(conn, extra=b"Connection: close\r\n")), tls=context)
    url = f"prometheus-rw=https://localhost:{server.port}/w"
    client = {"K6_PROMETHEUS_RW_CLIENT_CERTIFICATE": str(lab.dir / "client.pem"),
              "K6_PROMETHEUS_RW_CLIENT_CERTIFICATE_KEY": str(lab.dir / "client.key")}
    r, _ = lab.summary(SCRIPT, "-o", url, env={**client, "TIME": "1s"})
    assert "certificate signed by unknown authority" in r.stderr and server.requests == 0, r.stderr
    run(lab, url, {**client, "K6_PROMETHEUS_RW_INSECURE_SKIP_TLS_VERIFY": "true", "TIME": "1s"})
    assert server.requests > 0


def test_wrong_settings_name_the_variable(lab):
    cases = [
        ("influxdb", "K6_INFLUXDB_PUSH_INTERVAL", "soon"), ("influxdb", "K6_INFLUXDB_ADDR", "there"),
        ("influxdb", "K6_INFLUXDB_PRECISION", "days"), ("influxdb", "K6_INFLUXDB_TAGS_AS_FIELDS", "vu:char"),
        ("influxdb", "K6_INFLUXDB_TOKEN", "x"), ("influxdb", "K6_INFLUXDB_INSECURE", "maybe"),
        ("prometheus-rw", "K6_PROMETHEUS_RW_TREND_STATS", "p95"),
        ("prometheus-rw", "K6_PROMETHEUS_RW_TLS_MINIMUM_VERSION", "1.1"),
        ("prometheus-rw", "K6_PROMETHEUS_RW_SERVER_URL", "ftp://x/"),
        ("prometheus-rw", "K6_PROMETHEUS_RW_HTTP_HEADERS", "nothing"),
        ("prometheus-rw", "K6_PROMETHEUS_RW_CLIENT_CERTIFICATE", "/none"),
        ("opentelemetry", "K6_OTEL_EXPORTER_PROTOCOL", "http/json"),
        ("opentelemetry", "K6_OTEL_EXPORTER_TYPE", "http"),
        ("opentelemetry", "K6_OTEL_TLS_CERTIFICATE", "/none.pem"),
        ("opentelemetry", "K6_OTEL_GRPC_EXPORTER_ENDPOINT", "http://localhost:1"),
        ("statsd", "K6_STATSD_ADDR", "localhost"),
    ]
    for out, name, value in cases:
        r = lab.script("export default function () {}", "-o", out, env={name: value})
        place = {"K6_INFLUXDB_ADDR": "there", "K6_INFLUXDB_TOKEN": "K6_INFLUXDB_BUCKET",
                 "K6_PROMETHEUS_RW_SERVER_URL": "ftp://x/", "K6_STATSD_ADDR": "host:port"}.get(name, name)
        assert r.code == 104 and place in r.stderr, (name, r.code, r.text)
    r = lab.script("export default function () {}", "-o", "prometheus-rw=localhost:9090")
    assert r.code == 104 and "output prometheus-rw: 'localhost:9090': use a URL that begins with http" in r.stderr, r.text
    r = lab.script("export default function () {}", "-o", "kafka=localhost")
    assert r.code == 104 and "opentelemetry" in r.stderr and "json, csv, influxdb" in r.stderr, r.text


class Receiver:
    def __init__(self, lab, *tls):
        self.proc = subprocess.Popen(["/usr/bin/python3", HERE / "otlp_receiver.py", HERE / "protos",
                                      *tls], stdout=subprocess.PIPE, text=True)
        lab.closing.append(lambda: (self.proc.kill(), self.proc.wait()))
        _, self.grpc, self.http = self.proc.stdout.readline().split()
        self.requests = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.proc.stdout:
            self.requests.append(json.loads(line))

    def last_points(self):
        """Of each series by (metric, condition or kind) the newest point, with its metric."""
        points = {}
        for request in self.requests:
            for resource in request["body"]["resource_metrics"]:
                for scope in resource["scope_metrics"]:
                    names = [m["name"] for m in scope["metrics"]]
                    assert len(names) == len(set(names)), names
                    for metric in scope["metrics"]:
                        (data,) = [metric[k] for k in ("sum", "gauge", "exponential_histogram")
                                   if k in metric]
                        for p in data["data_points"]:
                            tags = {a["key"]: a["value"]["string_value"] for a in p["attributes"]} \
                                if "attributes" in p else {}
                            key = (metric["name"], tags.get("condition", tags.get("kind")))
                            points[key] = (p, metric, tags)
        return points


def check_otlp(receiver, m, prefix=""):
    time.sleep(0.3)
    points = receiver.last_points()
    p, metric, tags = points[prefix + "iterations", None]
    near(p["as_double"], m["iterations"]["count"])
    assert metric["sum"]["is_monotonic"] and tags["odd tag"] == 'a=b, "c"', (metric, tags)
    assert metric["sum"]["aggregation_temporality"].endswith("CUMULATIVE")
    assert int(p["start_time_unix_nano"]) < int(p["time_unix_nano"])
    near(points[prefix + "level", None][0]["as_double"], 7)
    assert int(points[prefix + "errs.total", "nonzero"][0]["as_int"]) == m["errs"]["passes"]
    assert int(points[prefix + "errs.total", "zero"][0]["as_int"]) == m["errs"]["fails"]
    assert points[prefix + "data_sent", None][1]["unit"] == "By"
    p, metric, _ = points[prefix + "took", None]
    assert metric["unit"] == "ms" and int(p["count"]) == m["took"]["count"]
    near(p["sum"], m["took"]["avg"] * m["took"]["count"])
    assert [p["min"], p["max"]] == [m["took"]["min"], m["took"]["max"]]
    near(quantile(p, 0.95), m["took"]["p(95)"], 0.03)
    p = points[prefix + "size", None][0]
    assert int(p["zero_count"]) + sum(map(int, p["positive"]["bucket_counts"])) \
        + sum(map(int, p["negative"]["bucket_counts"])) == m["size"]["count"], p
    near(quantile(p, 0.0), -3, 0.03)


def quantile(p, q):
    """Of an exponential histogram: the middle of the bucket in which it lies."""
    base = 2 ** 2 ** -p.get("scale", 0)
    buckets = []
    for sign, side in ((-1, "negative"), (1, "positive")):
        offset = p.get(side, {}).get("offset", 0)
        for i, n in enumerate(p.get(side, {}).get("bucket_counts", [])):
            buckets.append((sign * base ** (offset + i + 0.5), int(n)))
    buckets.append((0.0, int(p.get("zero_count", 0))))
    rank, seen = q * (int(p["count"]) - 1), 0
    for value, n in sorted(buckets):
        seen += n
        if seen > rank:
            return value
    raise AssertionError("empty")


def test_opentelemetry_over_http(lab):
    receiver = Receiver(lab)
    _, m = run(lab, "opentelemetry", {
        "K6_OTEL_EXPORTER_PROTOCOL": "http/protobuf", "K6_OTEL_HTTP_EXPORTER_INSECURE": "true",
        "K6_OTEL_HTTP_EXPORTER_ENDPOINT": f"127.0.0.1:{receiver.http}", "K6_OTEL_EXPORT_INTERVAL": "1s",
        "K6_OTEL_HEADERS": "x-one=1,x-two=2", "K6_OTEL_METRIC_PREFIX": "k6_", "OTEL_SERVICE_NAME": "shop",
        "K6_OTEL_HTTP_EXPORTER_USERNAME": "me", "K6_OTEL_HTTP_EXPORTER_PASSWORD": "word"})
    check_otlp(receiver, m, "k6_")
    first = receiver.requests[0]
    assert first["headers"][":path"] == "/v1/metrics" and first["headers"]["x-two"] == "2", first["headers"]
    assert first["headers"]["authorization"].startswith("Basic "), first["headers"]
    resource = first["body"]["resource_metrics"][0]["resource"]["attributes"]
    assert {"key": "service.name", "value": {"string_value": "shop"}} in resource, resource


def test_opentelemetry_over_grpc(lab):
    receiver = Receiver(lab)
    r, m = run(lab, "experimental-opentelemetry", {
        "K6_OTEL_GRPC_EXPORTER_INSECURE": "true", "K6_OTEL_HEADERS": "x-fail-first=1",
        "K6_OTEL_GRPC_EXPORTER_ENDPOINT": f"127.0.0.1:{receiver.grpc}", "K6_OTEL_EXPORT_INTERVAL": "1s"})
    check_otlp(receiver, m)
    assert "gRPC status 14: not yet" in r.stderr and "in the end" in r.stderr, r.stderr


def test_opentelemetry_over_grpc_with_tls(lab):
    lab.certificate("localhost")
    receiver = Receiver(lab, lab.dir / "localhost.pem", lab.dir / "localhost.key")
    _, m = run(lab, "opentelemetry", {
        "K6_OTEL_TLS_CERTIFICATE": str(lab.dir / "localhost.pem"),
        "K6_OTEL_GRPC_EXPORTER_ENDPOINT": f"localhost:{receiver.grpc}"})
    check_otlp(receiver, m)


def test_opentelemetry_counts_what_a_server_refuses(lab):
    receiver = Receiver(lab)
    for env in ({"K6_OTEL_EXPORTER_PROTOCOL": "http/protobuf", "K6_OTEL_HTTP_EXPORTER_INSECURE": "true",
                 "K6_OTEL_HTTP_EXPORTER_ENDPOINT": f"127.0.0.1:{receiver.http}"},
                {"K6_OTEL_GRPC_EXPORTER_INSECURE": "true",
                 "K6_OTEL_GRPC_EXPORTER_ENDPOINT": f"127.0.0.1:{receiver.grpc}"}):
        r, _ = lab.summary(SCRIPT, "-o", "opentelemetry", env={**env, "K6_OTEL_HEADERS": "x-reject=2", "TIME": "1s"})
        assert r.code == 0 and "the server took a part only: too many" in r.stderr, r.stderr
        assert ": 2 of " in r.stderr.split("could not be delivered")[0].splitlines()[-1], r.stderr


def test_statsd_through_collectd(lab):
    port = free_port()
    lab.file("collectd.conf", f"""
Hostname "lab"
Interval 1
BaseDir "{lab.dir}"
PIDFile "{lab.dir}/collectd.pid"
PluginDir "/usr/lib/collectd"
TypesDB "/usr/share/collectd/types.db"
LoadPlugin statsd
<Plugin statsd>
Host "127.0.0.1"
Port "{port}"
CounterSum true
TimerCount true
TimerLower true
TimerUpper true
</Plugin>
LoadPlugin csv
<Plugin csv>
DataDir "{lab.dir}/csv"
</Plugin>
""")
    Service(lab, ["/usr/sbin/collectd", "-f", "-C", lab.dir / "collectd.conf"])
    time.sleep(1)
    _, m = run(lab, f"statsd=127.0.0.1:{port}")
    time.sleep(2.5)

    def rows(kind):
        (path,) = (lab.dir / "csv/lab/statsd").glob(f"{kind}-20*")
        values = [float(line.split(",")[1]) for line in path.read_text().splitlines()[1:]]
        return [v for v in values if v == v]  # NaN: nothing in that interval
    assert sum(rows("count-k6.iterations")) == m["iterations"]["count"]
    assert sum(rows("count-k6.errs.passes")) == m["errs"]["passes"]
    assert sum(rows("count-k6.checks.passes")) == m["checks"]["passes"]
    assert rows("gauge-k6.level")[-1] == 7
    assert sum(rows("gauge-k6.took-count")) == m["took"]["count"]
    near(max(rows("latency-k6.took-upper")) * 1000, m["took"]["max"], 0.02)


def test_dogstatsd_tags_and_sample_rates(lab):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.bind(("127.0.0.1", 0))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        r, m = lab.summary("""
            import { Trend } from 'k6/metrics'; const took = new Trend('took', true);
            export const options = { iterations: 1, summaryTrendStats: ['p(95)', 'count', 'max', 'min'] };
            export default function () { for (let i = 0; i < 5000; i++) took.add(1 + i % 1000, { url: 'x', part: `a|b` }); }
            """, "-o", "statsd", env={"K6_STATSD_ADDR": f"127.0.0.1:{s.getsockname()[1]}",
                                      "K6_STATSD_ENABLE_TAGS": "true", "K6_STATSD_NAMESPACE": "own."})
        s.settimeout(0.5)
        lines = []
        with contextlib.suppress(OSError):
            while True:
                datagram = s.recv(65536)
                assert len(datagram) <= 1432
                lines += datagram.decode().splitlines()
    assert r.code == 0 and "own.iterations:1|c|#scenario:default" in lines, (r.text, lines[:5])
    took = [line for line in lines if line.startswith("own.took:")]
    assert all("#part:a_b,scenario:default" in line and "url" not in line for line in took), took[:2]
    values = [(float(t.split(":")[1].split("|")[0]), float(t.split("@")[1].split("|")[0])) for t in took]
    near(sum(1 / rate for _, rate in values), m["took"]["count"], 1e-6)
    assert len(values) == 512 and min(values)[0] == m["took"]["min"] and max(values)[0] == m["took"]["max"]
    near(sorted(values)[round(511 * 0.95)][0], m["took"]["p(95)"], 0.01)


def test_json_and_csv_are_compressed_by_name(lab):
    r = lab.script(SCRIPT, "-o", "json=out.json.gz", "-o", "csv=out.csv.gz", env={"TIME": "1s"})
    assert r.code == 0, r.text
    for name in ("out.json.gz", "out.csv.gz"):
        text = subprocess.run(["gzip", "-dc", lab.dir / name], check=True, capture_output=True).stdout
        assert text.count(b"took") > 80
