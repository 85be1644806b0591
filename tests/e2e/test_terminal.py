"""What a person sees: the binary on a pseudo-terminal, its output on an emulated screen."""
import fcntl
import os
import pty
import re
import struct
import subprocess
import termios

COLUMNS = 90


class Screen:
    """Enough of a terminal for what gale draws: colours are dropped, the cursor goes up, the rest
    of the screen is cleared."""

    def __init__(self):
        self.rows, self.row, self.column = [[]], 0, 0

    def feed(self, text):
        for match in re.finditer(r"\x1b\[([\d;]*)([A-Za-z])|.|\n", text, re.S):
            if match[2] == "A":
                self.row = max(0, self.row - int(match[1] or 1))
            elif match[2] == "J":
                del self.rows[self.row + 1:]
                del self.rows[self.row][self.column:]
            elif match[2] == "m":
                pass
            elif match[0] == "\r":
                self.column = 0
            elif match[0] == "\n":
                self.row += 1
                if self.row == len(self.rows):
                    self.rows.append([])
            else:
                row = self.rows[self.row]
                row.extend(" " * (self.column - len(row)))
                row[self.column:self.column + 1] = match[0]
                self.column += 1

    @property
    def lines(self):
        return ["".join(row).rstrip() for row in self.rows]


def on_terminal(lab, *args, env=None):
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    env = {**{k: v for k, v in os.environ.items() if not k.startswith("K6_") and k != "NO_COLOR"}, **(env or {})}
    proc = subprocess.Popen([lab.binary, *map(str, args)], cwd=lab.dir, stdin=side, stdout=side, stderr=side, env=env)
    os.close(side)
    data = b""
    while True:
        try:
            part = os.read(main, 65536)
        except OSError:
            break
        if not part:
            break
        data += part
    os.close(main)
    screen = Screen()
    screen.feed(data.decode())
    return proc.wait(timeout=10), data.decode(), screen.lines


TALKATIVE = """
import { sleep, check } from 'k6';
export const options = { scenarios: { first: { executor: 'constant-vus', vus: 4, duration: '2s', gracefulStop: '0s' },
  a_scenario_with_a_name_so_long_that_its_line_does_not_fit: { executor: 'per-vu-iterations', vus: 1, iterations: 1, exec: 'once' } } };
export default function () { console.log(`line ${__VU}.${__ITER}.`); sleep(0.02); }
export function once() { check(1, { good: () => true, bad: () => false }); }
"""


def test_bars_and_log_lines_share_the_screen(lab):
    code, raw, lines = on_terminal(lab, "run", lab.file("s.js", TALKATIVE))
    assert code == 0, "\n".join(lines)
    said = [m[1] for line in lines for m in [re.match(r"INFO\[000\d\] line ([\d.]+?)\. +source=console$", line)] if m]
    assert len(said) == len(set(said)) > 200, (len(said), lines[:40])
    for vu in range(1, 5):  # none is lost, none is overwritten
        mine = sorted(int(x.split(".")[1]) for x in said if x.split(".")[0] == str(vu))
        assert mine == list(range(len(mine))), (vu, mine)
    assert sum("TOTAL RESULTS" in line for line in lines) == 1
    bars = [line for line in lines if line.startswith("first ")]
    assert len(bars) == 1 and "[======================================] 4 VUs" in bars[0], bars
    running = [i for i, line in enumerate(lines) if line.startswith("running (")]
    assert len(running) == 1 and running[0] > [i for i, x in enumerate(lines) if "TOTAL RESULTS" in x][0]
    drawn = [line for line in raw[:raw.index("TOTAL RESULTS")].split("\r\n") if line.startswith("a_scenario")]
    assert len(drawn) > 5 and all(len(line) == COLUMNS for line in drawn), drawn[:3]


def test_no_color(lab):
    _, raw, lines = on_terminal(lab, "run", "--no-color", lab.file("s.js", TALKATIVE))
    assert not re.search(r"\x1b\[[\d;]*m", raw) and any("✗ bad" in line for line in lines)
    for name in ("NO_COLOR", "K6_NO_COLOR"):
        _, raw, _ = on_terminal(lab, "run", lab.file("s.js", "export default function () {}"), env={name: "1"})
        assert not re.search(r"\x1b\[[\d;]*m", raw), name
    _, raw, _ = on_terminal(lab, "run", lab.file("s.js", TALKATIVE))
    assert re.search(r"\x1b\[[\d;]*m", raw)


def test_quiet_draws_nothing(lab):
    _, raw, lines = on_terminal(lab, "run", "-q", lab.file("s.js", "export default function () {}"))
    assert "\x1b[J" not in raw and not any("running (" in line or "scenarios:" in line for line in lines)
