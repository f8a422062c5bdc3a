"""Malformed pictures of a picture library's own tests, sent to the real binary; none is kept here."""

import argparse
import collections
import importlib
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import uuid

import grpc

import harness

# The release whose test pictures are sent: a fixed one, so that each run sends the same.
SOURCE = "Pillow==11.0.0"
FILES_MIN = 300
BYTES_MAX = 4 * 1024 * 1024 - 4096

arguments = argparse.ArgumentParser()
arguments.add_argument("--binary", required=True)
OPTIONS = arguments.parse_args()
harness.generate()
admin = importlib.import_module("bulwark.v1.admin_service_pb2")
admin_rpc = importlib.import_module("bulwark.v1.admin_service_pb2_grpc")
screening = importlib.import_module("bulwark.v1.screening_service_pb2")
screening_rpc = importlib.import_module("bulwark.v1.screening_service_pb2_grpc")
context = importlib.import_module("bulwark.v1.context_pb2")
verdict = importlib.import_module("bulwark.v1.verdict_pb2")


def pictures():
    """Name and bytes of every file among the library's test pictures."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
             "--no-deps", "--no-binary", ":all:", "--no-build-isolation", "-d", folder, SOURCE],
            check=True, timeout=600,
        )
        (archive,) = pathlib.Path(folder).glob("*.tar.gz")
        with tarfile.open(archive) as opened:
            for entry in opened:
                if entry.isfile() and "/Tests/images/" in entry.name:
                    yield entry.name.split("/Tests/images/")[1], opened.extractfile(entry).read()


SERVER = harness.Server(OPTIONS.binary)
CHANNEL = grpc.insecure_channel(SERVER.address)
KEY = admin_rpc.AdminServiceStub(CHANNEL).CreateCredential(
    admin.CreateCredentialRequest(
        credential=admin.Credential(
            tenant_id="operator", environment=context.ENVIRONMENT_TEST,
            roles=[admin.ROLE_SCREENER], key=admin.ApiKey(),
        ),
        request_id=str(uuid.uuid4()),
    ),
    metadata=harness.bearer(SERVER.admin_key), timeout=60,
).key
PLACE = context.Context(
    surface=context.SURFACE_KIND_UPLOAD, visibility=context.VISIBILITY_PUBLIC
)


def screen(channel, content):
    ask = screening.ScreenMediaRequest(context=PLACE, content=content)
    stub = screening_rpc.ScreeningServiceStub(channel)
    return stub.ScreenMedia(ask, metadata=harness.bearer(KEY), timeout=30).verdict


def every_picture_gets_a_typed_state_and_none_is_allowed_unseen():
    done, healthy_faults, healthy_calls = threading.Event(), [], [0]

    def healthy():
        with grpc.insecure_channel(SERVER.address) as channel:
            while not done.wait(0.2):
                try:
                    start = time.monotonic()
                    screen(channel, b"plain text is no picture")
                    healthy_calls[0] += 1
                    if time.monotonic() - start > 10:
                        healthy_faults.append("slow")
                except grpc.RpcError as error:
                    healthy_faults.append(str(error.code()))

    beside = threading.Thread(target=healthy)
    beside.start()
    states, faults, count = collections.Counter(), [], 0
    try:
        for name, content in pictures():
            if not content or len(content) > BYTES_MAX:
                continue
            count += 1
            try:
                found = screen(CHANNEL, content)
            except grpc.RpcError as error:
                faults.append(f"{name}: {error.code()}")
                continue
            rows = [row for row in found.coverage if row.check == verdict.CHECK_IMAGE_MATCH]
            states.update(verdict.CheckState.Name(row.state)[12:] for row in rows)
            if not rows or any(row.state == verdict.CHECK_STATE_UNSPECIFIED for row in rows):
                faults.append(f"{name}: no typed state")
            seen = all(row.state in (verdict.CHECK_STATE_CHECKED,
                                     verdict.CHECK_STATE_NOT_APPLICABLE) for row in rows)
            if found.disposition == verdict.DISPOSITION_ALLOW and not seen:
                faults.append(f"{name}: allowed and not fully seen")
    finally:
        done.set()
        beside.join()
    assert count >= FILES_MIN, f"only {count} pictures were sent"
    assert healthy_calls[0] and not healthy_faults, (healthy_calls, healthy_faults[:5])
    assert SERVER.alive()
    assert not faults, "\n".join(faults)
    return f"{count} files: {dict(states)}"


failures = harness.run([every_picture_gets_a_typed_state_and_none_is_allowed_unseen])
CHANNEL.close()
code, log = SERVER.stop()
if code != 0:
    failures += 1
    print(f"FAILED  the server ended with {code}\n{log[-4000:]}")
sys.exit(failures != 0)
