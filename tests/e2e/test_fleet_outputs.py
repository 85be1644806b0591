"""Outputs, scraped targets and reports of a run on a fleet: what a local run has, once, by region."""
import json
import re
import time
import xml.etree.ElementTree as xml

from lab import free_port, ok
from test_outputs import Service, influx, influxdb, near, one, prometheus, query, RW_STATS
from test_reports import row

# Values depend on the iteration's number alone, as in test_outputs.
SCRIPT = """
import { Trend, Rate, Counter } from 'k6/metrics';
import exec from 'k6/execution';
export const options = {
  summaryTrendStats: ['avg', 'min', 'med', 'max', 'p(90)', 'p(95)', 'p(99)', 'count'],
  thresholds: { 'took{load_zone:eu}': ['p(95)<+10%'], took: ['p(95)<500'], 'took{load_zone:us}': ['max>0'],
                'took{load_zone:ap}': ['max>0'] },
  scenarios: { a: { executor: 'constant-arrival-rate', rate: 80, duration: __ENV.TIME || '4s',
                    preAllocatedVUs: 40 } },
};
const took = new Trend('took', true), errs = new Rate('errs'), things = new Counter('things');
const f = Number(__ENV.F || 1);
export function setup() { things.add(1000); }
export default function () {
  const i = exec.scenario.iterationInTest;
  took.add(f * (1 + (i * 37) % 100)); errs.add(i % 10 === 0); things.add(2.5);
}
"""
REGIONS = ("us", "eu", "ap")
ALL = ("--regions", "us=50%,eu=30%,ap=20%")


def due(m):
    """Arrivals, those that a busy machine drops among them; the one at the very end may be none."""
    return m["iterations"]["count"] + m.get("dropped_iterations", {}).get("count", 0)


def machine(lab, fleet, *args, env=None):
    """A run with the export that has sub-metrics; the values by metric."""
    path = lab.dir / "machine.json"
    r = fleet.gale(lab.file("s.js", SCRIPT), *ALL, "--quiet", "--summary-export", path, *args, env=env or {})
    return r, json.loads(path.read_text())["metrics"]


def test_outputs_have_what_the_summary_says(lab):
    """Three regions, two outputs: each window once, by region; stale marks at the end."""
    base = prometheus(lab)
    service, influx_url = influxdb(lab)
    fleet = lab.fleet().with_regions(us=2, eu=1, ap=1)
    before = time.time()
    r, m = machine(lab, fleet, "-o", "prometheus-rw", "-o", f"influxdb={influx_url}/mine", env={
        **RW_STATS, "K6_PROMETHEUS_RW_SERVER_URL": f"{base}/api/v1/write",
        "K6_PROMETHEUS_RW_LABELS": "server=one", "K6_PROMETHEUS_RW_STALE_MARKERS": "true"})
    assert r.code == 0 and "could not" not in r.text, r.text
    assert query(base, "k6_things_total") == []  # ended
    at = time.time()

    def value(text):
        got = query(base, f"last_over_time({text}[{int(at - before) + 10}s])")
        assert len(got) == 1 and got[0][0]["server"] == "one" and "instance_id" not in got[0][0], got
        return got[0][1]

    total = things = 0
    for region in REGIONS:
        took = m[f"took{{load_zone:{region}}}"]
        where = f'{{load_zone="{region}", scenario="a"}}'
        near(value(f"k6_took_count{where}"), took["count"])
        near(value(f"k6_took_p95{where}"), took["p(95)"] / 1000)
        near(value(f"k6_took_max{where}"), took["max"] / 1000)
        total += value(f"k6_iterations_total{where}")
        things += value(f"k6_things_total{where}")
        (count, sums) = influx(influx_url, f"SELECT sum(value) FROM iterations WHERE load_zone = '{region}';"
                               f"SELECT sum(\"count\"), max(\"max\") FROM took WHERE load_zone = '{region}'", "mine")
        assert count["sum"] == sums["sum"] == took["count"] and sums["max"] == took["max"], (count, sums, took)
    assert total == m["iterations"]["count"] and due(m) in (320, 321), (total, m["iterations"])
    assert things + 1000 == m["things"]["count"], (things, m["things"])  # setup()'s is in no scenario
    (count,) = influx(influx_url, "SELECT sum(value) FROM things", "mine")
    assert count["sum"] == m["things"]["count"]
    service.kill()
    check_who_is_refused(lab, fleet)


def check_who_is_refused(lab, fleet):
    for args, env, words in (
            (("-o", "json=x.json"), {}, "gale agent --out json=FILE"),
            (("-o", "csv"), {}, "gale agent --out json=FILE"),
            (("-o", "influxdb=http://127.0.0.1:1/x"), {"K6_INFLUXDB_SAMPLES": "true"}, "gale agent --out"),
            (("-o", "kafka=x"), {}, "there is no output 'kafka'"),
            (("-o", "statsd=nowhere"), {}, "use host:port"),
            (("--scrape", "a/b=http://127.0.0.1/"), {}, "--scrape")):
        r = fleet.gale(lab.file("s.js", SCRIPT), *ALL, *args, env=env)
        assert r.code == 104 and words in r.stderr, r.text
    assert not (lab.dir / "x.json").exists()


def cases(path):
    (suite,) = xml.parse(path).getroot()
    return {(c.get("classname"), c.get("name")): c for c in suite}


def test_reports_and_baselines(lab):
    """A run against a run that the controller knows, and against a file; what a CI reads of it."""
    fleet = lab.fleet().with_regions(us=1, eu=1, ap=1)
    r, m = machine(lab, fleet, "-e", "TIME=2s", "--summary-baseline", "base.json", "--summary-junit", "junit.xml")
    assert r.code == 0 and "(no baseline)" in r.stdout, r.text
    first = fleet.run_id()
    assert "took{load_zone:eu}" in fleet.get(f"/api/v1/runs/{first}/export/junit")
    base = json.loads((lab.dir / "base.json").read_text())
    assert base == fleet.get(f"/api/v1/runs/{first}/export/baseline")
    assert set(base["metrics"]["took{load_zone:eu}"]["stats"]) > {"p(95)", "avg"}
    junit = cases(lab.dir / "junit.xml")
    assert "no baseline" in junit["took{load_zone:eu}", "p(95)<+10%"][0].text
    for name in (first, "base.json"):
        r = fleet.gale(lab.file("s.js", SCRIPT), *ALL, "-e", "F=1.25", "-e", "TIME=2s", "--baseline", name, "--summary-junit", "junit.xml",
                       "--summary-markdown", "page.md", "--summary-github", "-", "--summary-baseline", "now.json")
        assert r.code == 99, r.text
        page = (lab.dir / "page.md").read_text()
        assert "1 of 4 thresholds crossed" in page and name in page, page
        change = row(page, "took{load_zone:eu}", "p(95)")[-1]
        assert 20 < float(change.strip("*").split()[0]) < 30, change
        table = page.split("### By region")[1]
        counts = [int(row(table, region)[2]) for region in (*REGIONS, "all")]
        assert sum(counts[:3]) == counts[3] > 100, table
        junit = cases(lab.dir / "junit.xml")
        assert "(+2" in junit["took{load_zone:eu}", "p(95)<+10%"].find("failure").get("message")
        errors = [line for line in r.stdout.splitlines() if line.startswith("::error")]
        assert len(errors) == 1 and "s.js,title=Threshold crossed::took{load_zone:eu}" in errors[0], r.stdout
        assert json.loads((lab.dir / "now.json").read_text())["metrics"]["took"]["stats"]["max"]["value"] == 125
    r = fleet.gale(lab.file("s.js", SCRIPT), *ALL, "--baseline", "zzzzzzzzzzzz")
    assert r.code == 104 and "zzzzzzzzzzzz" in r.stderr, r.text
    check_files(lab, fleet)


def check_files(lab, fleet):
    """handleSummary()'s files and --summary-export's are the client's, with a region's table on stdout."""
    script = lab.file("h.js", """
        export const options = { iterations: 12, vus: 12 };
        export default function () {}
        export function handleSummary(data) {
          return { stdout: `done ${data.metrics.iterations.values.count}\\n`, 'out/own.json': JSON.stringify(data.metrics) };
        }""")
    (lab.dir / "out").mkdir()
    r = fleet.gale(script, *ALL, "--summary-export", "sum.json", "--summary-markdown", "h.md")
    assert r.code == 0 and "done 12\n" in r.stdout and "BY REGION" in r.stdout, r.text
    assert json.loads((lab.dir / "out/own.json").read_text())["iterations"]["values"]["count"] == 12
    assert json.loads((lab.dir / "sum.json").read_text())["metrics"]["iterations"]["count"] == 12
    assert "✅ passed" in (lab.dir / "h.md").read_text()


def test_backends_and_targets_that_come_and_go(lab):
    """A backend that is away for a while gets everything in the end; a target's metrics are stored with the run."""
    service, base = influxdb(lab)
    seen = []

    def target(conn, _):
        seen.append(time.monotonic())
        text = ('# TYPE queue gauge\nqueue{pool="db",path="a\\"b"} 7\nqueue{pool="web"} 3\n'
                f'# TYPE served_total counter\nserved_total {100 + 10 * len(seen)}\n')
        ok(conn, text.encode(), b"Connection: close\r\n")

    shop = lab.server(target)
    fleet = lab.fleet().with_regions(us=1, eu=1, ap=1)
    proc = fleet.start(lab.file("s.js", SCRIPT), *ALL, "-e", "TIME=7s", "--quiet", "--summary-export", lab.dir / "sum.json",
                       "-o", f"influxdb={base}/k6", "-o", f"prometheus-rw=http://127.0.0.1:{free_port()}/api/v1/write",
                       "--scrape", f"shop={shop.url}/metrics", "--scrape", f"slow={shop.url}/metrics,interval=4s",
                       "--scrape", f"gone=http://127.0.0.1:{free_port()}/metrics",
                       "--scrape", "clouds=http://169.254.169.254/latest", "--summary-markdown", lab.dir / "page.md")
    run = fleet.wait_phase("running")
    time.sleep(2.5)
    service.kill()
    time.sleep(1.5)
    service.start()
    out, err = proc.communicate(timeout=60)
    m = json.loads((lab.dir / "sum.json").read_text())["metrics"]
    count = m["iterations"]["count"]
    assert proc.returncode == 0 and due(m) in (560, 561), (out, err)
    assert err.count("output influxdb ") == 3, err  # it fails, it delivers again, all came in the end
    assert err.count("output prometheus-rw ") == 2 and "points could not be delivered, 0 were" in err, err
    assert err.count("scrape clouds: ") == 1 and "policy" in err.split("scrape clouds: ")[1].split("\n")[0], err
    assert "points could not be delivered" in (lab.dir / "page.md").read_text().split("### By region")[1]
    assert err.count("scrape gone: ") == 1 and "connection refused" in err, err
    sums, took = influx(base, 'SELECT sum(value) FROM iterations; SELECT sum("count") FROM took')
    assert sums["sum"] == count == took["sum"], (sums, took)
    check_scraped(fleet, run, out, len(seen))


def check_scraped(fleet, run, out, times):
    assert "shop: 3 series, read " in out and re.search("slow: 3 series, read [23] times", out) and "gone: 0 series" in out, out
    names = {m["name"]: m for m in fleet.get(f"/api/v1/runs/{run}/metrics")["items"]}
    assert names["scrape:shop/queue"]["tags"] == {"path": ['a"b'], "pool": ["db", "web"]}, names
    series = fleet.get(f"/api/v1/runs/{run}/series?metric=scrape:shop/queue&agg=value&by=pool")
    values = {c["by"]: [x for x in v if x is not None] for c, v in zip(series["columns"], series["values"])}
    assert set(values["db"]) == {7.0} and set(values["web"]) == {3.0} and len(values["db"]) >= 5, series
    (served,) = fleet.get(f"/api/v1/runs/{run}/series?metric=scrape:shop/served_total&agg=count")["values"]
    assert 10 * times > sum(x or 0 for x in served) >= 40, (served, times)  # increments; the target is read by two
    assert "regions" in fleet.get(f"/api/v1/runs/{run}") and "scrape:" not in json.dumps(fleet.get(f"/api/v1/runs/{run}"))
