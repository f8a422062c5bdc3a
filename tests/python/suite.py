"""What a stranger meets: a client in Python, made from proto/, against the real binary."""

import argparse
import hashlib
import importlib
import io
import json
import os
import pathlib
import secrets
import subprocess
import sys
import tarfile
import tempfile
import time
import uuid

import grpc
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status
from PIL import Image

import harness

arguments = argparse.ArgumentParser()
arguments.add_argument("--binary", required=True)
arguments.add_argument("--buf", required=True)
OPTIONS = arguments.parse_args()
GENERATED = harness.generate()


def part(name):
    return importlib.import_module(f"bulwark.v1.{name}")


admin, admin_rpc = part("admin_service_pb2"), part("admin_service_pb2_grpc")
bank, bank_rpc = part("bank_service_pb2"), part("bank_service_pb2_grpc")
screening, screening_rpc = part("screening_service_pb2"), part("screening_service_pb2_grpc")
context, signal, verdict = part("context_pb2"), part("signal_pb2"), part("verdict_pb2")

SERVER = harness.Server(OPTIONS.binary)
CHANNEL = grpc.insecure_channel(SERVER.address)
ADMIN, BANKS = admin_rpc.AdminServiceStub(CHANNEL), bank_rpc.BankServiceStub(CHANNEL)
SCREENING = screening_rpc.ScreeningServiceStub(CHANNEL)
KEYS = {}
TIME = 60


def key(*roles):
    """A new credential's key, for the trial environment."""
    request = admin.CreateCredentialRequest(
        credential=admin.Credential(
            tenant_id="operator", environment=context.ENVIRONMENT_TEST, roles=roles,
            display_name="stranger", key=admin.ApiKey(),
        ),
        request_id=str(uuid.uuid4()),
    )
    return ADMIN.CreateCredential(
        request, metadata=harness.bearer(SERVER.admin_key), timeout=TIME
    ).key


def curator():
    return {"metadata": harness.bearer(KEYS["curator"]), "timeout": TIME}


def screener():
    return {"metadata": harness.bearer(KEYS["screener"]), "timeout": TIME}


def place(**more):
    return context.Context(
        surface=context.SURFACE_KIND_UPLOAD, visibility=context.VISIBILITY_PUBLIC, **more
    )


def picture(seed, width=320, height=240):
    """A drawn picture with enough in it to be told from others."""
    small = Image.frombytes("RGB", (16, 12), hashlib.shake_128(str(seed).encode()).digest(576))
    return small.resize((width, height), Image.Resampling.NEAREST)


def as_file(image, kind):
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def named(value):
    return verdict.Disposition.Name(value).removeprefix("DISPOSITION_")


def expect(found, wanted):
    assert found == wanted, f"expected {wanted}, found {found}"


def refusal(call, code):
    """Calls, wants to be refused by this code; the details by the name of their type."""
    try:
        call()
    except grpc.RpcError as error:
        expect(error.code(), code)
        details = {}
        for packed in rpc_status.from_call(error).details:
            for kind in (error_details_pb2.ErrorInfo, error_details_pb2.BadRequest):
                if packed.Is(kind.DESCRIPTOR):
                    details[kind.DESCRIPTOR.name] = kind.FromString(packed.value)
        expect(details["ErrorInfo"].domain, "bulwark.dev")
        return details
    raise AssertionError(f"not refused: wanted {code}")


def credentials_are_made():
    KEYS["curator"] = key(admin.ROLE_BANK_MANAGER)
    KEYS["screener"] = key(admin.ROLE_SCREENER)
    assert KEYS["curator"] != KEYS["screener"]


def a_banked_picture_is_not_allowed():
    BANKS.CreateBank(bank.CreateBankRequest(
        bank_id="drawn",
        bank=bank.Bank(
            display_name="Drawn pictures", role=bank.BANK_ROLE_POSITIVE,
            mode=bank.BANK_MODE_ENFORCE, vetted=True, legal_basis="test with drawn pictures",
        ),
        request_id=str(uuid.uuid4()),
    ), **curator())
    file = as_file(picture("known"), "PNG")
    ask = screening.ScreenMediaRequest(context=place(), content=file)
    # Nothing was compared with anything yet, and that is not the same as allowed.
    expect(named(SCREENING.ScreenMedia(ask, **screener()).verdict.disposition), "HOLD")
    BANKS.AddEntry(bank.AddEntryRequest(
        bank_id="drawn", media=file, request_id=str(uuid.uuid4())
    ), **curator())
    expect(named(SCREENING.ScreenMedia(ask, **screener()).verdict.disposition), "BLOCK")
    ask.content = as_file(picture("unknown"), "PNG")
    expect(named(SCREENING.ScreenMedia(ask, **screener()).verdict.disposition), "ALLOW")


def the_example_screens_a_file():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "picture.png")
        path.write_bytes(as_file(picture("known"), "PNG"))
        environment = os.environ | {"BULWARK_KEY": KEYS["screener"], "PYTHONPATH": GENERATED}
        done = subprocess.run(
            [sys.executable, harness.ROOT / "examples/python/screen.py", SERVER.address, path],
            env=environment, capture_output=True, text=True, timeout=TIME,
        )
    assert done.returncode == 0, done.stderr
    expect(done.stdout.splitlines()[0], "DISPOSITION_BLOCK")


def upload(kind, opening, content, size=64 * 1024):
    yield kind(open=opening)
    for number, start in enumerate(range(0, len(content), size), 1):
        yield kind(chunk=screening.MediaChunk(number=number, data=content[start:start + size]))
    yield kind(finish=screening.MediaFinish())


def hashes_alone_are_matched():
    # Another file of the same picture: only its picture hash is known.
    file = as_file(picture("known"), "JPEG")
    answers = SCREENING.HashMedia(
        upload(screening.HashMediaRequest, screening.HashMediaOpen(), file), **screener()
    )
    signals = []
    for answer in answers:
        if answer.WhichOneof("step") == "part":
            signals += answer.part.digests
            signals += [one for found in answer.part.pictures for one in found.signals]
    assert signals
    answer = SCREENING.ScreenSignals(screening.ScreenSignalsRequest(
        context=place(), signals=signals, media_kind=screening.MEDIA_KIND_IMAGE
    ), **screener())
    assert named(answer.verdict.disposition) in ("HOLD", "BLOCK"), answer
    assert answer.verdict.findings


def pdq(text):
    return signal.Signal(type=signal.SIGNAL_TYPE_PDQ, text=text, quality=100)


def a_batch_of_1024_hashes_is_answered_one_by_one():
    items = [
        screening.SignalsItem(
            item_id=f"item-{number}", signals=[pdq(secrets.token_hex(32))],
            media_kind=screening.MEDIA_KIND_IMAGE,
        )
        for number in range(1024)
    ]
    kind = screening.ScreenSignalsBatchRequest
    steps = [
        kind(open=screening.ScreenSignalsBatchOpen(context=place())),
        kind(batch=screening.SignalsBatch(number=1, items=items)),
    ]
    found = {}
    for answer in SCREENING.ScreenSignalsBatch(iter(steps), **screener()):
        if answer.WhichOneof("step") == "result":
            for item in answer.result.items:
                assert not item.faults, item
                found[item.item_id] = item.disposition
    expect(set(found), {item.item_id for item in items})


def an_upload_of_50_mib_is_screened_in_chunks():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        file = as_file(picture("known"), "PNG")
        entry = tarfile.TarInfo("first.png")
        entry.size = len(file)
        archive.addfile(entry, io.BytesIO(file))
        number = 0
        while out.tell() < 50 * 1024 * 1024:
            file = as_file(picture(number, 800, 600), "BMP")
            entry = tarfile.TarInfo(f"{number}.bmp")
            entry.size = len(file)
            archive.addfile(entry, io.BytesIO(file))
            number += 1
    content = out.getvalue()
    assert len(content) >= 50 * 1024 * 1024
    opening = screening.ScreenUploadOpen(context=place(), declared_size_bytes=len(content))
    last = None
    for answer in SCREENING.ScreenUpload(
        upload(screening.ScreenUploadRequest, opening, content), **screener()
    ):
        last = answer
    expect(last.WhichOneof("step"), "verdict")
    rows = {(verdict.CheckState.Name(row.state), row.reason) for row in last.verdict.coverage}
    assert named(last.verdict.disposition) == "BLOCK", rows
    return f"{len(content) / 2**20:.0f} MiB"


def a_hundred_thousand_hashes_are_imported():
    lines = [secrets.token_hex(32) for _ in range(100_000)]
    text = ("\n".join(lines) + "\n").encode()

    def steps():
        yield bank.ImportEntriesRequest(open=bank.ImportOpen(
            bank_id="drawn", format=bank.IMPORT_FORMAT_TEXT, signal_type=signal.SIGNAL_TYPE_PDQ,
            request_id=str(uuid.uuid4()),
        ))
        for number, start in enumerate(range(0, len(text), 65536), 1):
            yield bank.ImportEntriesRequest(
                chunk=bank.ImportChunk(number=number, data=text[start:start + 65536])
            )

    start = time.monotonic()
    answer = BANKS.ImportEntries(
        steps(), metadata=harness.bearer(KEYS["curator"]), timeout=290
    )
    took = time.monotonic() - start
    expect((answer.taken_count, answer.refused_count), (100_000, 0))
    again = screening.ScreenSignalsRequest(
        context=place(), signals=[pdq(lines[77_777])], media_kind=screening.MEDIA_KIND_IMAGE
    )
    assert SCREENING.ScreenSignals(again, **screener()).verdict.findings
    return f"{100_000 / took:.0f} a second"


def health_is_told_for_the_whole_and_each_service():
    health = health_pb2_grpc.HealthStub(CHANNEL)
    for service in ("", "bulwark.v1.ScreeningService", "bulwark.v1.BankService",
                    "bulwark.v1.AdminService"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=TIME)
        expect(answer.status, health_pb2.HealthCheckResponse.SERVING)
    watch = health.Watch(health_pb2.HealthCheckRequest(service=""), timeout=TIME)
    expect(next(watch).status, health_pb2.HealthCheckResponse.SERVING)
    watch.cancel()


def reflection_names_the_services():
    channel = grpc.intercept_channel(CHANNEL, WithKey())
    services = set(ProtoReflectionDescriptorDatabase(channel).get_services())
    assert {"bulwark.v1.ScreeningService", "bulwark.v1.BankService",
            "bulwark.v1.AdminService"} <= services, services


class WithKey(grpc.StreamStreamClientInterceptor):
    def intercept_stream_stream(self, continuation, details, requests):
        return continuation(details._replace(metadata=harness.bearer(KEYS["screener"])), requests)


def buf_curl_screens_by_reflection():
    body = json.dumps({
        "context": {"surface": "SURFACE_KIND_UPLOAD", "visibility": "VISIBILITY_PUBLIC"},
        "signals": [{"type": "SIGNAL_TYPE_SHA256", "text": "00" * 32}],
    })
    header = f"authorization: Bearer {KEYS['screener']}"
    done = subprocess.run(
        [OPTIONS.buf, "curl", "--protocol", "grpc", "--http2-prior-knowledge",
         "--header", header, "--reflect-header", header, "--data", body,
         f"http://{SERVER.address}/bulwark.v1.ScreeningService/ScreenSignals"],
        capture_output=True, text=True, timeout=TIME,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"]["disposition"].startswith("DISPOSITION_")


def no_credential_is_unauthenticated():
    ask = screening.GetVerdictRequest(verdict_id="none")
    details = refusal(lambda: SCREENING.GetVerdict(ask, timeout=TIME),
                      grpc.StatusCode.UNAUTHENTICATED)
    expect(details["ErrorInfo"].reason, "CREDENTIAL_MISSING")


def the_wrong_role_is_permission_denied():
    details = refusal(lambda: BANKS.ListBanks(bank.ListBanksRequest(), **screener()),
                      grpc.StatusCode.PERMISSION_DENIED)
    expect(details["ErrorInfo"].reason, "ROLE_MISSING")


def every_bad_field_is_named_at_once():
    ask = screening.ScreenMediaRequest(context=context.Context())
    details = refusal(lambda: SCREENING.ScreenMedia(ask, **screener()),
                      grpc.StatusCode.INVALID_ARGUMENT)
    expect(details["ErrorInfo"].reason, "FIELD_INVALID")
    named_fields = {one.field for one in details["BadRequest"].field_violations}
    assert {"context.surface", "context.visibility", "content"} <= named_fields, named_fields


def a_request_id_with_other_content_is_refused():
    same = str(uuid.uuid4())

    def ask(name):
        return BANKS.CreateBank(bank.CreateBankRequest(
            bank_id=name,
            bank=bank.Bank(role=bank.BANK_ROLE_POSITIVE, mode=bank.BANK_MODE_SHADOW,
                           legal_basis="test"),
            request_id=same,
        ), **curator())

    expect(ask("once").journal_number, ask("once").journal_number)
    details = refusal(lambda: ask("other"), grpc.StatusCode.FAILED_PRECONDITION)
    expect(details["ErrorInfo"].reason, "REQUEST_ID_REUSED")


def an_unknown_tenant_is_not_found():
    ask = admin.GetTenantRequest(tenant_id="nobody")
    details = refusal(
        lambda: ADMIN.GetTenant(ask, metadata=harness.bearer(SERVER.admin_key), timeout=TIME),
        grpc.StatusCode.NOT_FOUND,
    )
    expect(details["ErrorInfo"].reason, "NOT_FOUND")


CHECKS = [
    credentials_are_made,
    a_banked_picture_is_not_allowed,
    the_example_screens_a_file,
    hashes_alone_are_matched,
    a_batch_of_1024_hashes_is_answered_one_by_one,
    an_upload_of_50_mib_is_screened_in_chunks,
    a_hundred_thousand_hashes_are_imported,
    health_is_told_for_the_whole_and_each_service,
    reflection_names_the_services,
    buf_curl_screens_by_reflection,
    no_credential_is_unauthenticated,
    the_wrong_role_is_permission_denied,
    every_bad_field_is_named_at_once,
    a_request_id_with_other_content_is_refused,
    an_unknown_tenant_is_not_found,
]

failures = harness.run(CHECKS)
CHANNEL.close()
code, log = SERVER.stop()
if code != 0:
    failures += 1
    print(f"FAILED  the server ended with {code}\n{log[-4000:]}")
for secret in (SERVER.admin_key, *KEYS.values()):
    if secret in log:
        failures += 1
        print("FAILED  a key is in the log")
sys.exit(failures != 0)
