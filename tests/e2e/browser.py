"""Chromium, as scripts for node drive it (browser.mjs)."""
import atexit
import functools
import os
import pathlib
import shutil
import subprocess
import tempfile
import threading

HERE = pathlib.Path(__file__).resolve().parent
WEB = HERE.parents[1] / "web"
INSTALLING = threading.Lock()


@functools.cache
def installed():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="gale-web-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in ("package.json", "package-lock.json", ".npmrc"):
        shutil.copy(WEB / name, folder)
    subprocess.run(["npm", "ci"], cwd=folder, check=True, capture_output=True, timeout=300)
    return folder


def modules():
    """playwright-core and axe-core, as web/package-lock.json pins them; once for all tests."""
    if (WEB / "node_modules/playwright-core").exists():
        return WEB
    with INSTALLING:
        return installed()


def drive(lab, script, *args):
    """Chromium, driven by a script that ends by saying "done"."""
    browser = subprocess.Popen(
        ["node", HERE / script, *map(str, args)],
        env={**os.environ, "WEB_MODULES": str(modules())}, text=True, stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    lab.closing.append(browser.kill)
    return browser


def finish(browser):
    out, err = browser.communicate("\n", timeout=180)
    assert browser.returncode == 0 and "done" in out, err
