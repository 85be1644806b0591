"""Agents that the controller starts itself: `gale controller --provision`, `gale fleet scale`."""
import os
import pathlib
import signal
import subprocess
import time

from lab import free_port
from test_fleet import PLAIN


def scale(lab, fleet, what):
    return lab.gale("fleet", "scale", what, "--fleet", fleet.url)


def agents(fleet):
    return [a for a in fleet.get("/api/v1/agents")["items"] if a["state"] == "ready"]


def pids(fleet):
    """Of the controller's agents, by id."""
    found = {}
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            args = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"agent" in args[:2] and fleet.nats.encode() in args:
            found[args[args.index(b"--id") + 1].decode()] = int(path.parent.name)
    return found


def is_alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def test_local_agents_come_and_go(lab):
    base = lab.shop()
    fleet = lab.fleet("--provision", "local")
    for what in ("us-east-1=2", "eu-central-1=1"):
        r = scale(lab, fleet, what)
        assert r.code == 0, r.text
    fleet.wait_ready(3)
    assert sorted(a["region"] for a in agents(fleet)) == ["eu-central-1", "us-east-1", "us-east-1"]
    result = fleet.gale(lab.file("plain.js", PLAIN), "-e", f"BASE={base}", "--regions",
                        "us-east-1=70%/2,eu-central-1=30%/1")
    assert result.code == 0, result.text
    fleet.find("msg=\"agent us-east-1-[0-9a-f]{8} of region us-east-1: .*\" agent=us-east-1-")
    assert scale(lab, fleet, "us-east-1=1").code == 0
    fleet.wait("one to go", lambda: len(agents(fleet)) == 2)
    fleet.wait("its process to end", lambda: len(pids(fleet)) == 2)
    r = scale(lab, fleet, "no region=1")
    assert r.code != 0 and "is no name" in r.text, r.text
    # One that dies is told of and replaced.
    victim, pid = next((i, p) for i, p in pids(fleet).items() if i.startswith("eu"))
    os.kill(pid, signal.SIGKILL)
    fleet.find(f"agent {victim} \\(pid {pid}\\) has ended: signal 9")
    fleet.wait("a new one", lambda: [i for i in pids(fleet) if i.startswith("eu") and i != victim])
    fleet.wait_ready(2)
    # They end with the controller, however it ends.
    left = list(pids(fleet).values())
    fleet.controller.kill()
    fleet.controller.wait()
    deadline = time.monotonic() + 20
    while any(is_alive(p) for p in left):
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def test_agents_that_it_starts_have_users_of_their_own(lab):
    """With --agent-users: beside those of the file, each with a password that nobody else knows."""
    base = lab.shop()
    users = lab.file("users", "mine-1 secret-of-mine\n")
    fleet = lab.fleet("--provision", "local", "--agent-users", users)
    fleet.agent("mine", "mine-1", "--nats-user", "mine-1", "--nats-password", "secret-of-mine")
    assert scale(lab, fleet, "us=2").code == 0
    fleet.wait_ready(3)
    first = {i for i in pids(fleet) if i.startswith("us-")}
    users.write_text("mine-1 secret-of-mine\nmine-2 secret-of-mine-2\n")
    fleet.find("4 agents may enlist")
    result = fleet.gale(lab.file("plain.js", PLAIN), "-e", f"BASE={base}", "--regions", "us=70%/2,mine=30%/1")
    assert result.code == 0, result.text
    assert set(pids(fleet)) == first | {"mine-1"}, "none was cut off"
    config = fleet.data / "nats.conf"
    assert all(f'"{name}"' in config.read_text() for name in first), config.read_text()
    assert scale(lab, fleet, "us=0").code == 0
    fleet.wait("their processes to end", lambda: not first & set(pids(fleet)))
    fleet.wait("their users to go", lambda: not any(name in config.read_text() for name in first))
    assert [a["id"] for a in agents(fleet)] == ["mine-1"]


def start_sshd(lab):
    """An sshd of our own on loopback, with throw-away keys; on its "host" gale is in $PATH. Then
    lab.binary is gale with an ssh in its $PATH that knows the host as "far"."""
    port = free_port()
    if os.geteuid() == 0:
        os.makedirs("/run/sshd", exist_ok=True)  # the package's own; missing where nothing was booted
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", lab.dir / name], check=True)
    (lab.dir / "far").mkdir()
    (lab.dir / "far" / "gale").symlink_to(lab.binary)
    config = lab.file("sshd_config", f"""Port {port}
ListenAddress 127.0.0.1
HostKey {lab.dir}/host_key
AuthorizedKeysFile {lab.dir}/key.pub
PidFile none
UsePAM no
StrictModes no
SetEnv PATH={lab.dir}/far:/usr/bin:/bin
""")
    log = lab.dir / "sshd.log"
    sshd = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", config, "-E", log])
    lab.closing.append(lambda: (sshd.kill(), sshd.wait()))
    lab.file("known_hosts", f"far {(lab.dir / 'host_key.pub').read_text()}")
    lab.file("ssh_config", f"""Host far
 HostName 127.0.0.1
 Port {port}
 IdentityFile {lab.dir}/key
 IdentitiesOnly yes
 UserKnownHostsFile {lab.dir}/known_hosts
 HostKeyAlias far
""")
    for name, text in (("near/ssh", f'exec /usr/bin/ssh -F {lab.dir}/ssh_config "$@"'),
                       ("gale", f'PATH={lab.dir}/near:$PATH exec {lab.binary} "$@"')):
        lab.file(name, f"#!/bin/sh\n{text}\n").chmod(0o755)
    deadline = time.monotonic() + 20
    while "listening" not in (log.read_text() if log.exists() else ""):
        assert sshd.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    lab.binary = lab.dir / "gale"


def test_agents_over_ssh(lab):
    base = lab.shop()
    start_sshd(lab)
    nats = f"127.0.0.1:{free_port()}"
    hosts = lab.file("hosts", "us/a far --max-vus 30\neu far\n")
    fleet = lab.fleet("--provision", f"ssh={hosts}", "--nats-listen", nats, "--agent-nats", f"nats://{nats}")
    for what in ("us=2", "eu=1"):
        r = scale(lab, fleet, what)
        assert r.code == 0, r.text
    fleet.wait_ready(3)
    us = next(a for a in agents(fleet) if a["region"] == "us")
    assert us["zone"] == "a" and us["capacity_vus"] == 30, us
    result = fleet.gale(lab.file("plain.js", PLAIN), "-e", f"BASE={base}", "--regions", "us=70%/2,eu=30%/1")
    assert result.code == 0, result.text
    r = scale(lab, fleet, "ap=1")
    assert r.code != 0 and "the hosts file has no host for region ap" in r.text, r.text
    running = pids(fleet)
    assert scale(lab, fleet, "us=0").code == 0
    fleet.wait("two to go", lambda: len(agents(fleet)) == 1)
    fleet.controller.kill()
    fleet.controller.wait()
    deadline = time.monotonic() + 20
    while any(is_alive(p) for p in running.values()):
        assert time.monotonic() < deadline, running
        time.sleep(0.05)


def test_wrong_provisioners(lab):
    hosts = lab.file("hosts", "us far\n")
    common = ["controller", "--data", lab.dir / "data", "--listen", "127.0.0.1:0", "--nats-listen", "127.0.0.1:0"]
    for flags, expected in (
            (["--provision", "docker"], "flag --provision: 'docker' is none: use local or ssh=FILE"),
            (["--provision", f"ssh={hosts}"], "flag --provision: agents on other hosts need an address of NATS"),
            (["--provision", "ssh=nowhere", "--agent-nats", "nats://x:1"], "hosts file nowhere: No such file")):
        r = lab.gale(*common, *flags)
        assert r.code == 104 and expected in r.stderr, (flags, r.text)
