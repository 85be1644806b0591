"""The REST API on --address."""
import json
import socket
import time
import urllib.error
import urllib.request

from lab import free_port

SLEEPY = """
import { sleep, check, group } from 'k6'; import { Trend } from 'k6/metrics'; const t = new Trend('took', true);
export const options = { vus: 2, duration: '30s', gracefulStop: '0s', thresholds: { took: ['max<1'] } };
export function setup() { return { token: 'abc' }; }
export default function () { group('g', () => check(1, { fine: () => true })); t.add(5, { k: 'v' }); sleep(0.1); }
export function teardown() { console.log('tidy'); }
"""


class Api:
    def __init__(self, port):
        self.base = f"http://127.0.0.1:{port}"

    def call(self, path, method="GET", body=None):
        data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
        request = urllib.request.Request(self.base + path, data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=5) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()

    def json(self, path, method="GET", body=None):
        status, text = self.call(path, method, body)
        return status, json.loads(text)

    def patch(self, **attributes):
        return self.json("/v1/status", "PATCH", {"data": {"type": "status", "id": "default", "attributes": attributes}})

    def wait_for(self, code, seconds=10):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                status = self.json("/v1/status")[1]["data"]["attributes"]
                if status["status"] == code:
                    return status
            except OSError:
                pass
            time.sleep(0.05)
        raise AssertionError(f"the status never was {code}")


def start(lab, script, *flags):
    port = free_port()
    proc = lab.start("run", "--quiet", "--address", f"127.0.0.1:{port}", *flags, lab.file("s.js", script))
    lab.closing.append(lambda: (proc.kill(), proc.communicate()))
    return proc, Api(port)


def test_views_and_stop(lab):
    proc, api = start(lab, SLEEPY)
    status = api.wait_for(7)
    assert status["running"] and not status["paused"] and not status["stopped"] and status["vus-max"] == 2, status
    time.sleep(2.3)
    assert api.wait_for(7)["tainted"] and api.wait_for(7)["vus"] == 2
    code, metrics = api.json("/v1/metrics")
    by_id = {m["id"]: m for m in metrics["data"]}
    assert code == 200 and by_id["took"]["type"] == "metrics"
    assert by_id["took"]["attributes"]["tainted"] is True and by_id["vus"]["attributes"]["tainted"] is None
    assert by_id["took"]["attributes"]["sample"]["p(95)"] == 5 and by_id["took"]["attributes"]["contains"] == "time"
    assert by_id["vus"]["attributes"]["sample"]["value"] == 2
    assert by_id["checks"]["attributes"]["sample"]["rate"] == 1
    assert by_id["iterations"]["attributes"]["sample"]["count"] > 10
    assert api.json("/v1/metrics/took")[1]["data"]["id"] == "took"
    code, error = api.json("/v1/metrics/nope")
    assert code == 404 and error["errors"][0]["status"] == "404", error
    code, groups = api.json("/v1/groups")
    by_path = {x["attributes"]["path"]: x for x in groups["data"]}
    root, g = by_path[""], by_path["::g"]
    assert {"type": "groups", "id": g["id"]} in root["relationships"]["groups"]["data"]
    assert g["relationships"]["parent"]["data"]["id"] == root["id"] == "d41d8cd98f00b204e9800998ecf8427e"
    assert g["attributes"]["checks"][0]["path"] == "::g::fine" and g["attributes"]["checks"][0]["passes"] > 10
    assert api.json(f"/v1/groups/{g['id']}")[1]["data"]["attributes"]["name"] == "g"
    assert api.json("/v1/groups/ff")[0] == 404
    assert api.json("/v1/setup")[1]["data"]["attributes"]["data"] == {"token": "abc"}
    assert api.call("/ping") == (200, "ok") == api.call("/") and api.call("/nowhere")[0] == 404
    assert api.patch(paused=True)[0] == 400 and api.patch(vus=50)[0] == 500
    assert api.json("/v1/status", "PATCH", b"{")[0] == 400 and api.json("/v1/status", "DELETE")[0] == 405
    assert api.json("/v1/status", "PATCH", b"x" * 100_000)[0] == 413
    code, status = api.patch(stopped=True)
    assert code == 200 and status["data"]["attributes"]["stopped"], status
    out, err = proc.communicate(timeout=20)
    assert proc.returncode == 103 and "tidy" in err and "iterations" in out, (proc.returncode, err)


def test_paused_until_told(lab):
    proc, api = start(lab, "export const options = { iterations: 3 };\nexport default function () {}\n", "--paused")
    assert api.wait_for(4)["paused"]
    assert proc.poll() is None
    assert api.patch(paused=False)[0] == 200
    out, _ = proc.communicate(timeout=20)
    assert proc.returncode == 0 and "iterations...........: 3" in out, out


def test_stopped_while_paused(lab):
    proc, api = start(lab, "export default function () {}\n", "--paused")
    api.wait_for(4)
    api.patch(stopped=True)
    proc.communicate(timeout=20)
    assert proc.returncode == 103


def test_paused_without_an_address(lab):
    r = lab.script("export default function () {}", "--paused")
    assert r.code == 104 and "--address" in r.stderr


def test_linger_ends_over_the_api(lab):
    proc, api = start(lab, "export default function () {}\n", "--linger")
    status = api.wait_for(9)
    assert not status["running"] and proc.poll() is None
    assert api.json("/v1/metrics/iterations")[1]["data"]["attributes"]["sample"]["count"] == 1
    api.patch(stopped=True)
    proc.communicate(timeout=20)
    assert proc.returncode == 0


def test_linger_ends_by_interrupt(lab):
    proc, api = start(lab, "export default function () {}\n", "--linger")
    api.wait_for(9)
    lab.interrupt(proc, 0)
    proc.communicate(timeout=20)
    assert proc.returncode == 0


def test_address_in_use(lab):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        s.listen()
        r = lab.script("export default function () {}", "--address", f"127.0.0.1:{s.getsockname()[1]}")
    assert r.code == 106 and "in use" in r.stderr, r.text
    for address in ("here", "127.0.0.1:http-and-more", "256.1.1.1:99"):
        r = lab.script("export default function () {}", "--address", address)
        assert r.code == 106 and address in r.stderr, r.text
