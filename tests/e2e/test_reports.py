"""Reports for a CI: JUnit, GitHub's annotations, Markdown, and the comparison with a run before."""
import json
import xml.etree.ElementTree as xml

# A second of the run is a block; F makes everything slower, by the same for each value. A machine that
# stands still for a moment drops arrivals: what is asserted must not depend on which iterations ran.
SCRIPT = """
import { Trend, Rate, Counter } from 'k6/metrics';
import { check } from 'k6';
import exec from 'k6/execution';
export const options = {
  scenarios: { a: { executor: 'constant-arrival-rate', rate: 70, duration: '7s', preAllocatedVUs: 100 } },
  thresholds: { took: ['p(95)<500', 'p(95)<+10%'], errs: ['rate<=+0%'], 'took{kind:odd}': ['avg<+10%'],
                iterations: ['rate>-50%'] },
};
const took = new Trend('took', true), errs = new Rate('errs'), f = Number(__ENV.F || 1);
export default function () {
  const i = exec.scenario.iterationInTest;
  took.add(f * (50 + (i * 37) % 100), { kind: i % 2 ? 'odd' : 'even' });
  for (let k = 0; k < 10; k++) errs.add(k === 0);
  check(i, { 'a|b <c>': (x) => x % 7 !== 5 });
}
"""


def cases(path):
    suites = xml.parse(path).getroot()
    (suite,) = suites
    assert suites.tag == "testsuites" and int(suite.get("tests")) == len(suite)
    assert int(suite.get("failures")) == len(suite.findall("testcase/failure"))
    return {(c.get("classname"), "" if c.get("classname") == "run" else c.get("name")): c for c in suite}


def row(markdown, *cells):
    """The cells of the only row of a table that begins so."""
    start = "| " + " | ".join(cells) + " |"
    (line,) = [line for line in markdown.splitlines() if line.startswith(start)]
    return [cell.strip() for cell in line.strip("|").split(" | ")]


def test_comparison_with_a_baseline(lab):
    r = lab.script(SCRIPT, "--summary-baseline", "base.json", "--summary-export", "export.json",
                   "--summary-junit", "junit.xml", "--summary-markdown", "page.md")
    assert r.code == 0 and "(no baseline)" in r.stdout, r.text
    base = json.loads((lab.dir / "base.json").read_text())["metrics"]
    assert base["took"]["stats"]["p(95)"]["error"] > 0 and base["took"]["stats"]["p(95)"]["blocks"] >= 7
    junit = cases(lab.dir / "junit.xml")
    assert junit["run", ""] is not None and "no baseline" in junit["took", "p(95)<+10%"][0].text
    checks = json.loads((lab.dir / "export.json").read_text())["metrics"]["checks"]
    assert junit["checks", "::a|b <c>"][0].text == f"{checks['passes']} passed, {checks['fails']} failed"
    assert checks["fails"] > 20, checks
    assert "Against" not in (lab.dir / "page.md").read_text()

    r = lab.script(SCRIPT, "--baseline", "base.json", "--summary-junit", "junit.xml",
                   "--summary-markdown", "page.md", "--summary-github", "-", "-e", "F=1.25")
    assert r.code == 99, r.text
    page = (lab.dir / "page.md").read_text()
    # A quarter more, but for an iteration more or less, and the interval knows that chance plays a part.
    change = row(page, "took", "p(95)")[-1]
    assert change.startswith("**+") and change.endswith(")**"), change
    by = float(change.split()[0][3:])
    low, high = (float(x) for x in change.split("(")[1].split(")")[0].split(" to "))
    assert 20 < by < 30 and 10 < low <= by <= high < 40, change
    assert row(page, "errs", "rate")[-1].startswith("+0.0 points ("), page
    passed, failed = row(page, "❌", "a\\|b \\<c>")[2:]
    assert int(failed) > 20 and int(passed) > 5 * int(failed), page
    assert "2 of 5 thresholds crossed" in page, page
    junit = cases(lab.dir / "junit.xml")
    assert "(+2" in junit["took", "p(95)<+10%"].find("failure").get("message")
    assert junit["took{kind:odd}", "avg<+10%"].find("failure") is not None
    assert junit["errs", "rate<=+0%"].find("failure") is None
    notes = [line for line in r.stdout.splitlines() if line.startswith("::")]
    assert sum(n.startswith("::error file=") and "script.js,title=Threshold crossed::took" in n for n in notes) == 2, notes
    assert any(f"::a|b <c>: {failed} of {int(passed) + int(failed)} failed" in n for n in notes), notes
    (differs,) = [n for n in notes if n.startswith("::notice")]
    assert "took p(95): " in differs and " %25 (" in differs and "%0A" in differs, differs

    # k6's own export has values but no errors.
    r = lab.script(SCRIPT, "--baseline", "export.json", "--summary-markdown", "page.md")
    assert r.code == 0 and "no baseline" not in r.stdout, r.text
    change = row((lab.dir / "page.md").read_text(), "took", "p(95)")[-1]
    assert abs(float(change.split()[0])) < 5 and "(" not in change, change


def test_a_baseline_that_is_none(lab):
    for name, text, expected in (("bad.json", "{", "line 1"), ("empty.json", "{}", "--summary-baseline"),
                                 ("none.json", None, "none.json")):
        if text is not None:
            lab.file(name, text)
        r = lab.script("export default function () {}", "--baseline", name)
        assert r.code == 104 and expected in r.stderr and name in r.stderr, r.text
    lab.file("other.json", '{"metrics": {"took": {"avg": 1}}}')
    r = lab.script(SCRIPT.replace("7s", "1s"), "--baseline", "other.json")
    assert r.code == 0 and "has no p(95) of took: the threshold 'p(95)<+10%' is not judged" in r.stderr, r.text


def test_a_run_that_fails_is_an_error(lab):
    for body, words in (("export function setup() { throw new Error('no'); }", "setup()"),
                        ("import exec from 'k6/execution'; export function setup() { exec.test.abort('enough & more'); }",
                         "enough & more")):
        r = lab.script(f"{body}\nexport default function () {{}}", "--summary-junit", "junit.xml",
                       "--summary-github", "notes.txt", "--summary-markdown", "page.md")
        assert r.code not in (0, 99, 104), r.text
        error = cases(lab.dir / "junit.xml")["run", ""].find("error")
        assert words in error.get("message") and error.get("type") == f"exit code {r.code}"
        assert words in (lab.dir / "notes.txt").read_text() and words in (lab.dir / "page.md").read_text()


def test_a_report_that_cannot_be_written(lab):
    r = lab.script("export default function () {}", "--summary-junit", "/no/such/folder/x.xml")
    assert r.code == 255 and "/no/such/folder/x.xml" in r.stderr, r.text
    r = lab.script("export default function () {}", "--summary-markdown", "/dev/full")
    assert r.code == 255 and "/dev/full" in r.stderr, r.text
