"""A real server of its own process, and clients made from the protos alone."""

import os
import pathlib
import socket
import subprocess
import sys
import threading

import grpc
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("BULWARK_PROGRAM", str(ROOT / "target" / "release" / "bulwark"))


def pytest_configure(config):
    """Makes the client's code from `proto/`, as any platform would."""
    out = pathlib.Path(os.environ.get("BULWARK_GENERATED", ROOT / "target" / "python-client"))
    out.mkdir(parents=True, exist_ok=True)
    protos = [str(path) for path in sorted((ROOT / "proto" / "bulwark" / "v1").glob("*.proto"))]
    protos.append(str(ROOT / "proto" / "google" / "api" / "field_behavior.proto"))
    made = subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-I", str(ROOT / "proto"),
         f"--python_out={out}", f"--grpc_python_out={out}", *protos],
        check=False,
    )
    assert made.returncode == 0, "the client's code cannot be made"
    sys.path.insert(0, str(out))


class Server:
    """`bulwark serve` on a free port, over a fresh directory."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--set", f"data_dir={folder}/data", "--set", f"listen={self.address}",
             "--set", "metrics_listen=", "--set", "reflection_open=true",
             # The program may be one built for tests, which takes longer for an archive of seventy pictures.
             "--set", "media.item_time_max=120 s"],
            stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True,
            # What begins like a setting is one for the server, and a misspelt one ends it.
            env={k: v for k, v in os.environ.items() if not k.startswith("BULWARK_")},
        )
        self.key = None
        for line in self.process.stdout:
            if line.startswith("bulwark_"):
                self.key = line.strip()
            if "serving" in line:
                break
        assert self.key, "the first key is printed once"
        threading.Thread(target=self.process.stdout.read, daemon=True).start()
        self.channel = grpc.insecure_channel(self.address)
        grpc.channel_ready_future(self.channel).result(timeout=30)

    def resident_mib(self):
        """Memory of the server's own process."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    def stop(self):
        self.channel.close()
        self.process.terminate()
        assert self.process.wait(timeout=60) == 0, "it ends in order"


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    running = Server(tmp_path_factory.mktemp("server"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def key(server):
    """Makes a key with these roles, in the operator's trial environment."""
    from bulwark.v1 import admin_service_pb2 as a
    from bulwark.v1 import admin_service_pb2_grpc as ag

    stub = ag.AdminServiceStub(server.channel)

    def make(*roles):
        credential = a.Credential(
            tenant_id="operator", environment="ENVIRONMENT_TEST",
            roles=[f"ROLE_{role}" for role in roles], key=a.ApiKey(),
        )
        made = stub.CreateCredential(
            a.CreateCredentialRequest(credential=credential), timeout=30, metadata=said(server.key)
        )
        return said(made.key)

    return make


def said(key):
    """A key as a call's metadata."""
    return [("authorization", f"Bearer {key}")]
