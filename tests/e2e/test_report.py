"""The HTML report of a run, opened from disk in a real browser."""
import json
import os
import pathlib
import subprocess
import urllib.request

from browser import modules

# Names that would run if they were not escaped.
SCRIPT = """
import http from 'k6/http';
import { check, sleep } from "k6";
export const options = {
  scenarios: { s: { executor: 'constant-vus', vus: 4, duration: '3s', gracefulStop: '2s' } },
  thresholds: { http_req_duration: ['p(95)<10000'], checks: ['rate>0.9'] },
};
export default function () {
  const name = '</script><img src=x onerror=alert(1)><!--<script>\\u2028';
  const r = http.get(`${__ENV.BASE}/products?q=<b>`, { tags: { name } });
  http.get(`${__ENV.BASE}/missing`);
  sleep(0.05);
  check(r, { [name]: (r) => r.status === 200, never: () => false });
}
"""


def opened(lab, *files):
    """What the browser shows of each."""
    shots = os.environ.get("GALE_SCREENSHOTS", lab.dir)
    done = subprocess.run(["node", pathlib.Path(__file__).with_name("report.mjs"), shots, *files],
                          env={**os.environ, "WEB_MODULES": str(modules())}, text=True,
                          capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.strip().split("\n")]


def download(url, path):
    with urllib.request.urlopen(url, timeout=20) as answer:
        path.write_bytes(answer.read())
        return answer.headers


def check_numbers(fleet, run):
    """The export agrees with itself and with the summary: nothing of the last second is missing."""
    data = fleet.get(f"/api/v1/runs/{run}/export/json")
    requests = next(m for m in data["summary"]["metrics"] if m["name"] == "http_reqs")["overall"]["count"]
    assert sum(u["count"] for u in data["urls"] if u["region"] is None) == requests
    summary = fleet.get(f"/api/v1/runs/{run}/export/summary")["metrics"]
    assert requests == summary["http_reqs"]["count"]
    assert {t["ok"] for t in data["thresholds"]} == {True, False} and data["left_out"] == {}


def test_reports_in_a_browser(lab):
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=1, eu=1)
    script = lab.file("shop.js", SCRIPT)
    of_fleet, of_client, of_local = (lab.dir / f"{who}.html" for who in ("fleet", "client", "local"))
    result = fleet.gale(script, "-e", f"BASE={base}", "--regions", "us,eu", "--report", of_client)
    assert result.code == 99 and of_client.read_text().startswith("<!doctype html>"), result.text
    run = fleet.run_id()
    headers = download(f"{fleet.url}/api/v1/runs/{run}/export/html", of_fleet)
    assert headers["Content-Disposition"] == f'attachment; filename="shop.js-{run}.html"'
    assert of_fleet.stat().st_size < 500_000
    check_numbers(fleet, run)
    result = lab.gale("run", "-e", f"BASE={base}", "--summary-exemplars", "--report", of_local, script,
                      env={"TMPDIR": str(lab.dir)})
    assert result.code == 99, result.text
    assert not list(lab.dir.glob("gale-run-*"))
    shown_fleet, shown_local = opened(lab, of_fleet, of_local)
    for shown in (shown_fleet, shown_local):
        assert shown["title"] == "shop.js – gale" and shown["charts"] == 6
        for text in ("Exit code", "99", "1 of 2 thresholds was crossed", "<img src=x onerror=alert(1)>",
                     "never", "/missing", "404"):
            assert text in shown["text"], (text, shown["text"])
    assert "us, eu" in shown_fleet["text"]
    assert "this machine" in shown_local["text"] and "checks: rate>0.9 was crossed" in shown_local["text"]
    assert "Slow and failed requests" in shown_local["text"]


def test_a_report_that_cannot_be_written(lab):
    script = lab.file("short.js", "export const options = { iterations: 1 }; export default function () {}")
    result = lab.gale("run", "--report", "/dev/full", script)
    assert result.code == 255 and "/dev/full" in result.stderr and "No space left" in result.stderr, result.text
    result = lab.gale("run", "--report", lab.dir / "none/report.html", script)
    assert result.code == 255 and "none/report.html" in result.stderr, result.text
    result = lab.gale("run", "--report", lab.dir / "r.html", script, env={"TMPDIR": "/proc/none"})
    assert result.code == 255 and "TMPDIR" in result.stderr, result.text
    result = lab.gale("run", "-q", "--report", "-", script, env={"K6_SUMMARY_MODE": "disabled"})
    assert result.code == 0 and result.stdout.startswith("<!doctype html>"), result.text
