"""What a test works with: a folder of its own, the binary, and servers that misbehave on demand."""
import base64
import contextlib
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.request


class Result:
    def __init__(self, code, stdout, stderr):
        self.code, self.stdout, self.stderr = code, stdout, stderr

    @property
    def text(self):
        return self.stdout + self.stderr


class RawServer:
    """Accepts connections and hands each to `talk(connection, request_bytes)`, which may send
    anything; without keep-alive. Counts connections and requests."""

    def __init__(self, talk, tls=None):
        self.talk, self.tls = talk, tls
        self.connections = self.requests = 0
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(256)
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                conn, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(conn,), daemon=True).start()

    def _serve(self, conn):
        with contextlib.suppress(OSError), conn:
            if self.tls:
                conn = self.tls.wrap_socket(conn, server_side=True)
            data = b""
            while b"\r\n\r\n" not in data:
                part = conn.recv(65536)
                if not part:
                    return
                data += part
            self.requests += 1
            self.talk(conn, data)

    def close(self):
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)  # else the thread in accept() keeps it open
        self.listener.close()


def free_port():
    """Of loopback, for a server that begins later or comes back: outside of the ports that the system
    gives to connections and to servers that don't mind."""
    while True:
        port = random.randrange(12000, 32000)
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp, contextlib.suppress(OSError):
            tcp.bind(("127.0.0.1", port))
            udp.bind(("127.0.0.1", port))
            return port


class Fleet:
    """A controller with its own nats-server, and agents; each with a log in the lab's folder."""

    def __init__(self, lab, *args):
        self.lab = lab
        self.agents = {}
        self.data = lab.dir / "controller"
        self.args = args
        self.start_controller()
        self.nats = (args[args.index("--nats") + 1] if "--nats" in args
                     else self.find("nats-server listens on (nats://[^ \"]+)"))
        self.url = self.find("API and dashboard on (http://[^ \"]+)")

    def start_controller(self):
        own = [] if "--nats" in self.args else ["--nats-listen", f"127.0.0.1:{free_port()}"]
        self.controller = self.spawn("controller", "controller", "--data", self.data, "--listen",
                                     f"127.0.0.1:{free_port()}", *own, *self.args)

    def restart(self, how=signal.SIGKILL):
        """The controller anew, on the same addresses."""
        self.controller.send_signal(how)
        self.controller.wait()
        self.controller = self.spawn("controller", "controller", "--data", self.data, "--listen",
                                     self.url.removeprefix("http://"), "--nats-listen",
                                     self.nats.removeprefix("nats://"), *self.args)
        self.wait("the API", lambda: self.get("/readyz"))

    def spawn(self, name, *args, env=None, before=()):
        """`before`: a command that runs it, as in ip netns exec NAME."""
        log = open(self.lab.dir / f"{name}.log", "a")
        proc = subprocess.Popen([*before, self.lab.binary, *map(str, args)], cwd=self.lab.dir,
                                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                env={**os.environ, **(env or {})})
        log.close()
        self.lab.closing.append(lambda: (proc.kill(), proc.wait()))
        return proc

    def log(self, name):
        return (self.lab.dir / f"{name}.log").read_text()

    def find(self, pattern, name="controller", timeout=20):
        """The first group of what the log says, as soon as it says it."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            found = re.search(pattern, self.log(name))
            if found:
                return found.group(1) if found.groups() else found.group(0)
            time.sleep(0.05)
        raise AssertionError(f"{name}.log does not say {pattern!r}:\n{self.log(name)}")

    def agent(self, region, name, *args, nats=None, **more):
        self.agents[name] = self.spawn(name, "agent", "--region", region, "--id", name, "--nats",
                                       nats or self.nats, "--data", self.lab.dir, *args, **more)
        return self.agents[name]

    def get(self, path):
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            body = answer.read()
        return json.loads(body) if body.startswith((b"{", b"[")) else body.decode()

    def wait(self, what, check, timeout=20):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                value = check()
                if value:
                    return value
            time.sleep(0.05)
        raise AssertionError(f"waited in vain for {what}; controller.log:\n{self.log('controller')}")

    def wait_ready(self, count):
        self.wait(f"{count} agents", lambda: sum(
            a["state"] == "ready" for a in self.get("/api/v1/agents?limit=500")["items"]) == count)

    def with_regions(self, **regions):
        """Agents by region, as in us=2: us-1, us-2."""
        for region, count in regions.items():
            for i in range(count):
                self.agent(region, f"{region}-{i + 1}")
        self.wait_ready(sum(regions.values()))
        return self

    def run_args(self, script, *args):
        return ["run", "--fleet", self.url, *args, script]

    def gale(self, script, *args, **more):
        return self.lab.gale(*self.run_args(script, *args), **more)

    def start(self, script, *args):
        return self.lab.start(*self.run_args(script, *args))

    def run_id(self):
        """Of the newest run."""
        return self.wait("a run", lambda: self.get("/api/v1/runs")["items"])[0]["id"]

    def wait_phase(self, phase, timeout=20):
        run = self.run_id()
        self.wait(f"phase {phase}",
                  lambda: self.get(f"/api/v1/runs/{run}")["phase"] == phase, timeout)
        return run


class Lab:
    def __init__(self, binary):
        self.binary = binary
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="gale-e2e-"))
        self.closing = []
        self.result = None

    def close(self):
        for thing in reversed(self.closing):
            thing()
        shutil.rmtree(self.dir, ignore_errors=True)

    def last_output(self):
        if not self.result:
            return ""
        return f"\nexit {self.result.code}\n--- stdout\n{self.result.stdout}\n--- stderr\n{self.result.stderr}"

    def file(self, name, text):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def server(self, talk, tls=None):
        server = RawServer(talk, tls)
        self.closing.append(server.close)
        return server

    def shop(self, *args):
        """The bundled shop; returns its URL."""
        proc = subprocess.Popen([self.binary.parent / "gale-shop", *args], stdout=subprocess.PIPE,
                                text=True)
        self.closing.append(lambda: (proc.kill(), proc.wait(), proc.stdout.close()))
        return proc.stdout.readline().split()[-1]

    def certificate(self, name, *args):
        """A self-signed certificate made now; returns an ssl context for a server."""
        cert, key = self.dir / f"{name}.pem", self.dir / f"{name}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", key,
                        "-out", cert, "-addext", f"subjectAltName=DNS:{name}", *args], check=True,
                       capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        return context

    def fleet(self, *args):
        return Fleet(self, *args)

    def start(self, *args, env=None, stdin=None, stdout=None):
        return subprocess.Popen([self.binary, *map(str, args)], cwd=self.dir, text=True,
                                stdin=stdin or subprocess.DEVNULL, stdout=stdout or subprocess.PIPE,
                                stderr=subprocess.PIPE,
                                env={k: v for k, v in {**os.environ, **(env or {})}.items()
                                     if not k.startswith("K6_") or k in (env or {})})

    def gale(self, *args, env=None, stdin=None, stdout=None, timeout=60):
        proc = self.start(*args, env=env, stdin=subprocess.PIPE if stdin is not None else None,
                          stdout=stdout)
        try:
            out, err = proc.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            proc.kill()
            out, err = proc.communicate()
            self.result = Result("timed out", out, err)
            raise
        self.result = Result(proc.returncode, out or "", err)
        return self.result

    def script(self, text, *flags, env=None, name="script.js", timeout=60):
        """Writes a script, runs it quietly."""
        return self.gale("run", "--quiet", *flags, self.file(name, text), env=env, timeout=timeout)

    def summary(self, text, *flags, env=None):
        """Runs a script; returns (result, metrics of its summary export)."""
        path = self.dir / "summary.json"
        result = self.script(text, "--summary-export", path, *flags, env=env)
        return result, json.loads(path.read_text())["metrics"]

    @staticmethod
    def interrupt(proc, after):
        time.sleep(after)
        proc.send_signal(signal.SIGINT)


def ok(conn, body=b"ok", extra=b""):
    conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n%s\r\n%s" % (len(body), extra, body))


def echo(conn, request):
    """As a server's talk: a WebSocket that sends back what comes, until one of both closes."""
    key = re.search(rb"(?i)sec-websocket-key: (\S+)", request).group(1)
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
    conn.sendall(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n")
    while True:
        head = conn.recv(2)
        if len(head) < 2:
            return
        size = head[1] & 127
        rest = b""
        while len(rest) < size + 4:
            rest += conn.recv(size + 4 - len(rest))
        text = bytes(c ^ rest[i % 4] for i, c in enumerate(rest[4:]))
        conn.sendall(bytes([head[0], size]) + text)
        if head[0] & 15 == 8:
            return
