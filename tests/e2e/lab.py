"""What a test works with: a folder of its own, the binary, and servers that misbehave on demand."""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time


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
