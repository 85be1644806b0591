"""tools/compatibility.py: what it finds wrong with the table and the pages."""
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def test_the_table_is_checked(lab):
    shutil.copytree(ROOT / "docs", lab.dir / "docs")
    shutil.copytree(ROOT / "tools", lab.dir / "tools")
    (lab.dir / "tests").symlink_to(ROOT / "tests")
    table = lab.dir / "docs/compatibility.tsv"
    good = table.read_text()

    def check(*flags):
        r = subprocess.run([sys.executable, lab.dir / "tools/compatibility.py", *flags], capture_output=True, text=True)
        return r.returncode, r.stdout

    assert check("--check") == (0, ""), check("--check")
    lines = good.splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if line.startswith("K6M-01\t"))
    tests = lines[at].split("\t")[4]
    cases = {
        "K6M-01: missing": [],
        "K6M-02: unknown": [lines[at], lines[at].replace("K6M-01", "K6M-02")],
        "K6M-01: unknown or there twice": [lines[at]] * 2,
        "K6M-01: says yes and names no test": [lines[at].replace(tests, "\n")],
        "K6M-01: script/nope.js: there is no tests/script/nope.js": [lines[at].replace(tests, "script/nope.js\n")],
        "e2e/test_run.py:nope: tests/e2e/test_run.py has no test 'nope'": [lines[at].replace(tests, "e2e/test_run.py:nope\n")],
        "e2e/test_run.py: which of the tests": [lines[at].replace(tests, "e2e/test_run.py\n")],
        "K6M-01: 'maybe' is none of": [lines[at].replace("\tyes\t", "\tmaybe\t")],
        "K6M-01: says no and not how": [lines[at].replace("\tyes\t", "\tno\t")],
        "3 columns, not 5": ["K6M-01\tyes\tx\n"],
        "compatibility.md is stale": [lines[at].replace("check, group", "group, check")],
    }
    for expected, instead in cases.items():
        table.write_text("".join(lines[:at] + instead + lines[at + 1:]))
        code, said = check("--check")
        assert code == 1 and expected in said, (expected, said)
    table.write_text("".join(lines[:at] + [lines[at].replace("check, group", "group, check")] + lines[at + 1:]))
    assert check()[0] == 0 and check("--check")[0] == 0 and "group, check" in (lab.dir / "docs/compatibility.md").read_text()
    page = lab.dir / "docs/modules/k6.md"
    page.write_text(page.read_text() + "- One more difference.\n")
    assert "differences.md is stale" in check("--check")[1]
    assert check()[0] == 0 and "One more difference." in (lab.dir / "docs/differences.md").read_text()
