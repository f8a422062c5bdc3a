"""A real server on fresh data, and a client made from proto/ as a stranger would make it."""

import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

import grpc
from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]


def generate():
    """Generates the client into a temporary folder and makes it importable."""
    folder = tempfile.mkdtemp(prefix="bulwark-python-")
    files = sorted(str(path) for path in (ROOT / "proto").rglob("*.proto"))
    wanted = ["", f"-I{ROOT / 'proto'}", f"--python_out={folder}", f"--grpc_python_out={folder}"]
    well_known = pathlib.Path(protoc.__file__).parent / "_proto"
    ours = [path for path in files if "/proto/google/" not in path]
    if protoc.main([*wanted, f"-I{well_known}", *ours]) != 0:
        raise SystemExit("the client cannot be generated from proto/")
    sys.path.insert(0, folder)
    return folder


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class Server:
    """`bulwark serve` on a temporary directory."""

    def __init__(self, binary):
        self.folder = tempfile.TemporaryDirectory(prefix="bulwark-data-")
        data = os.path.join(self.folder.name, "data")
        made = subprocess.run(
            [binary, "init", "--set", f"data_dir={data}"],
            capture_output=True, text=True, timeout=60, check=True,
        )
        self.admin_key = made.stdout.strip().splitlines()[-1]
        self.address = f"127.0.0.1:{free_port()}"
        self.log = open(os.path.join(self.folder.name, "log"), "w+")
        self.process = subprocess.Popen(
            [binary, "serve", "--set", f"data_dir={data}", "--set", f"listen={self.address}",
             "--set", "metrics_listen="],
            stdout=self.log, stderr=self.log,
        )
        channel = grpc.insecure_channel(self.address)
        try:
            grpc.channel_ready_future(channel).result(timeout=60)
        except grpc.FutureTimeoutError:
            self.stop()
            raise SystemExit("the server does not start")
        finally:
            channel.close()

    def alive(self):
        return self.process.poll() is None

    def stop(self):
        """Asks it to end; the exit code must be 0."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=60)
        self.log.seek(0)
        text = self.log.read()
        self.log.close()
        self.folder.cleanup()
        return code, text


def bearer(key):
    return [("authorization", f"Bearer {key}")]


def run(checks):
    """Runs every check, prints each with its time; the number of failures."""
    failures = 0
    for check in checks:
        name, start = check.__name__.replace("_", " "), time.monotonic()
        try:
            note = check() or ""
        except Exception:
            failures += 1
            print(f"FAILED  {name}\n{traceback.format_exc()}", flush=True)
        else:
            print(f"ok      {name} ({time.monotonic() - start:.2f} s) {note}", flush=True)
    print(f"{len(checks) - failures} of {len(checks)} checks passed", flush=True)
    return failures
