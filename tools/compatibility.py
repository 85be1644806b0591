#!/usr/bin/env python3
"""Makes the pages about k6 from what they rest on, and says where that does not hold.

    tools/compatibility.py           checks docs/compatibility.tsv and writes docs/compatibility.md and docs/differences.md
    tools/compatibility.py --check   writes nothing; also fails when a page is not what would be written

The table must have every feature once, and a row that says yes names tests that exist and pass. What the pages of
docs/modules/ list under "Differences from k6" goes into docs/differences.md too."""
import functools
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "docs/compatibility.tsv"
FEATURES = 320  # of k6 v2.2
MARKS = {"yes": "yes", "differs": "**differs**", "no": "**no**"}
MADE = "<!-- Made by tools/compatibility.py: edit {} instead. -->\n"


class Row:
    def __init__(self, line):
        columns = line.split("\t")
        if len(columns) != 5:
            raise ValueError(f"{len(columns)} columns, not 5: {line[:60]}")
        self.id, self.verdict, self.title, self.how = (c.strip() for c in columns[:4])
        self.tests = columns[4].split()


def read_table(say):
    """The areas in order: (prefix, title, rows)."""
    areas = []
    for number, line in enumerate(TABLE.read_text().splitlines(), 1):
        head = re.match(r"# ([A-Z0-9]{3}) (\d+) (.+)$", line)
        if head:
            areas.append((head[1], int(head[2]), head[3], []))
        elif line and not line.startswith("#"):
            try:
                areas[-1][3].append(Row(line))
            except ValueError as e:
                say(f"docs/compatibility.tsv:{number}: {e}")
    for prefix, count, _, rows in areas:
        want = [f"{prefix}-{i:02}" for i in range(1, count + 1)]
        got = [r.id for r in rows]
        for missing in set(want) - set(got):
            say(f"{missing}: missing in docs/compatibility.tsv")
        for extra in [x for x in got if x not in want or got.count(x) > 1]:
            say(f"{extra}: unknown or there twice in docs/compatibility.tsv")
    if sum(a[1] for a in areas) != FEATURES:
        say(f"docs/compatibility.tsv has {sum(a[1] for a in areas)} features, k6 has {FEATURES}")
    return [(a[0], a[2], a[3]) for a in areas]


@functools.cache
def tests_in(path):
    """The names of a file's tests: test_* of Python, TEST() of C."""
    return set(re.findall(r"^(?:def test_|TEST\()(\w+)", path.read_text(), re.M))


def test_problem(ref, known_failures):
    """Why a test shows nothing; None: it does."""
    name, _, part = ref.partition(":")
    path = ROOT / "tests" / name
    if not path.is_file():
        return f"there is no tests/{name}"
    if not part and path.suffix not in (".js", ".ts"):
        return "which of the tests in that file?"
    if part and part not in tests_in(path):
        return f"tests/{name} has no test '{part}'"
    return "it is known to fail" if path.name in known_failures else None


def check_rows(areas, say):
    known_failures = (ROOT / "tests/conformance/known_failures.txt").read_text().split()
    for row in (r for _, _, rows in areas for r in rows):
        if row.verdict not in MARKS:
            say(f"{row.id}: '{row.verdict}' is none of {', '.join(MARKS)}")
        if row.verdict == "yes" and not row.tests:
            say(f"{row.id}: says yes and names no test")
        if row.verdict != "yes" and not row.how:
            say(f"{row.id}: says {row.verdict} and not how")
        for ref in row.tests:
            problem = test_problem(ref, known_failures)
            if problem:
                say(f"{row.id}: {ref}: {problem}")


def cell(text):
    return text.replace("|", "\\|").replace("<", "&lt;")


def link(ref):
    name, _, part = ref.partition(":")
    shown = part or pathlib.PurePath(name).name
    return f"[{shown}](../tests/{name})"


def compatibility_page(areas):
    rows = [r for _, _, rows in areas for r in rows]
    count = {v: sum(r.verdict == v for r in rows) for v in MARKS}
    out = [MADE.format("docs/compatibility.tsv"), "# Compatibility with k6\n",
           f"Every feature of k6 v2.2, {len(rows)} in all, and what gale does of it: {count['yes']} work as in k6, "
           f"{count['differs']} differ, {count['no']} are not there. A row that says yes names the tests that show it; "
           "`make lint` fails when one of them is gone. [differences.md](differences.md) has the rest alone.\n",
           "| area | yes | differs | no |", "| --- | ---: | ---: | ---: |"]
    for prefix, title, area in areas:
        anchor = re.sub(r"[^\w\- ]", "", f"{prefix} {title}".lower()).replace(" ", "-")
        out.append(f"| [{prefix}: {title}](#{anchor}) | " +
                   " | ".join(str(sum(r.verdict == v for r in area)) for v in MARKS) + " |")
    for prefix, title, area in areas:
        out += [f"\n## {prefix}: {title}\n", "| | feature | gale | shown by |", "| --- | --- | --- | --- |"]
        for r in area:
            how = f": {cell(r.how)}" if r.how else ""
            out.append(f"| {r.id} | {cell(r.title)} | {MARKS[r.verdict]}{how} | {', '.join(map(link, r.tests))} |")
    return "\n".join(out) + "\n"


def module_differences():
    """What each page of a module lists under its heading, by the page's title."""
    for path in sorted((ROOT / "docs/modules").glob("*.md")):
        text = path.read_text()
        found = re.search(r"^## Differences from k6\n(.*?)(?=^## |\Z)", text, re.M | re.S)
        if found:
            here = re.sub(r"\]\((?=[\w.-]+\.md)", "](modules/", found[1].strip())  # links from docs/
            yield re.search(r"^# (.+)$", text, re.M)[1], path.name, here


def differences_page(areas):
    out = [MADE.format("docs/compatibility.tsv and the pages of docs/modules/"), "# Where gale is not k6\n",
           "Everything that is known to differ from k6 v2.2; what is not here is meant to be the same, and where it is "
           "not, that is a bug. The IDs are those of [compatibility.md](compatibility.md).\n"]
    for verdict, heading in (("differs", "What differs"), ("no", "What is not there")):
        out += [f"## {heading}\n", "| | feature | |", "| --- | --- | --- |"]
        out += [f"| {r.id} | {cell(r.title)} | {cell(r.how)} |" for _, _, rows in areas for r in rows if r.verdict == verdict]
        out.append("")
    beyond = [r for _, _, rows in areas for r in rows if r.verdict == "yes" and r.how]
    out += ["## What works, with a remark\n", "| | feature | |", "| --- | --- | --- |"]
    out += [f"| {r.id} | {cell(r.title)} | {cell(r.how)} |" for r in beyond] + [""]
    modules = list(module_differences())
    if modules:
        out.append("## Module by module\n")
    for title, name, text in modules:
        out += [f"### [{title}](modules/{name})\n", text, ""]
    return "\n".join(out).rstrip() + "\n"


def main():
    problems = []
    areas = read_table(problems.append)
    check_rows(areas, problems.append)
    pages = {"compatibility.md": compatibility_page, "differences.md": differences_page}
    for name, make in pages.items():
        path = ROOT / "docs" / name
        if problems:
            break  # a page of a table that is wrong would be wrong
        if "--check" not in sys.argv[1:]:
            path.write_text(make(areas))
        elif not path.exists() or path.read_text() != make(areas):
            problems.append(f"docs/{name} is stale: run tools/compatibility.py")
    print(*problems, sep="\n", end="\n" if problems else "")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
