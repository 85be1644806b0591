"""The HTML report of a run, opened from disk in a real browser."""
import json
import os
import pathlib
import subprocess
import urllib.request

from test_web import modules

# Names that would run if they were not escaped.
SCRIPT = """
import http from 'k6/http';
import { check, sleep } from "k6";
export const options = {
  scenarios: { s: { executor: 'constant-vus', vus: 4, duration: '4s', gracefulStop: '2s' } },
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
                          env={**os.environ, "WEB_MODULES": str(modules(lab))}, text=True,
                          capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.strip().split("\n")]


def download(url, path):
    with urllib.request.urlopen(url, timeout=20) as answer:
        path.write_bytes(answer.read())
        return answer.headers


def test_of_a_fleet(lab):
    base = lab.shop()
    fleet = lab.fleet().with_regions(us=1, eu=1)
    result = fleet.gale(lab.file("shop.js", SCRIPT), "-e", f"BASE={base}", "--regions", "us,eu")
    assert result.code == 99, result.text
    run = fleet.run_id()
    file = lab.dir / "fleet-report.html"
    headers = download(f"{fleet.url}/api/v1/runs/{run}/export/html", file)
    assert headers["Content-Disposition"] == f'attachment; filename="shop.js-{run}.html"'
    assert file.stat().st_size < 500_000
    data = fleet.get(f"/api/v1/runs/{run}/export/json")
    [shown] = opened(lab, file)
    assert shown["title"] == "shop.js – gale" and shown["charts"] == 6
    for text in ("us", "eu", "Exit code", "99", "1 of 2 thresholds was crossed", "<img src=x onerror=alert(1)>",
                 "never", "/missing", "404"):
        assert text in shown["text"], (text, shown["text"])
    requests = next(m for m in data["summary"]["metrics"] if m["name"] == "http_reqs")
    assert requests["overall"]["count"] == sum(v["count"] for v in requests["regions"].values())
    assert sum(u["count"] for u in data["urls"] if u["region"] is None) == requests["overall"]["count"]
    summary = fleet.get(f"/api/v1/runs/{run}/export/summary")["metrics"]
    assert requests["overall"]["count"] == summary["http_reqs"]["count"]
    assert {t["ok"] for t in data["thresholds"]} == {True, False} and data["left_out"] == {}
