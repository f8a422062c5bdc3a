"""The main job from another language: files, hashes, streams, imports, health, reflection, refusals."""

import hashlib
import io
import os
import pathlib
import random
import subprocess
import tarfile
import time

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status
from PIL import Image, ImageDraw

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHUNK = 64 * 1024


def drawn(seed, size=(640, 480)):
    """A harmless picture of discs and bars."""
    dice = random.Random(seed)
    picture = Image.new("RGB", size)
    brush = ImageDraw.Draw(picture)
    for _ in range(60):
        x, y = dice.randrange(size[0]), dice.randrange(size[1])
        r = dice.randrange(20, 160)
        colour = tuple(dice.randrange(256) for _ in range(3))
        shape = dice.choice([brush.ellipse, brush.rectangle])
        shape([x - r, y - r // 2, x + r, y + r], fill=colour)
    return picture


def saved(picture, kind, **options):
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


@pytest.fixture(scope="session")
def words():
    """The generated modules, by short names."""
    from bulwark.v1 import bank_service_pb2 as b
    from bulwark.v1 import bank_service_pb2_grpc as bg
    from bulwark.v1 import context_pb2 as c
    from bulwark.v1 import screening_service_pb2 as s
    from bulwark.v1 import screening_service_pb2_grpc as sg
    from bulwark.v1 import signal_pb2 as sig
    from bulwark.v1 import verdict_pb2 as v

    class Words:
        pass

    found = Words()
    found.b, found.bg, found.c, found.s, found.sg, found.sig, found.v = b, bg, c, s, sg, sig, v
    return found


@pytest.fixture(scope="session")
def bank(server, key, words):
    """A bank with one drawn picture."""
    curator = key("BANK_MANAGER")
    stub = words.bg.BankServiceStub(server.channel)
    stub.CreateBank(
        words.b.CreateBankRequest(bank_id="known", bank=words.b.Bank(
            role="BANK_ROLE_POSITIVE", mode="BANK_MODE_ENFORCE", vetted=True,
            legal_basis="a test")),
        timeout=30, metadata=curator)
    stub.AddEntry(
        words.b.AddEntryRequest(bank_id="known", media=saved(drawn(1), "PNG")),
        timeout=60, metadata=curator)
    return curator


@pytest.fixture(scope="session")
def screen(server, key, words, bank):
    """Screens bytes as SCREENER and AUDITOR."""
    metadata = key("SCREENER", "AUDITOR")
    stub = words.sg.ScreeningServiceStub(server.channel)

    def call(content, item="item"):
        context = words.c.Context(surface="SURFACE_KIND_UPLOAD",
                                  visibility="VISIBILITY_PUBLIC", item_id=item)
        return stub.ScreenMedia(words.s.ScreenMediaRequest(context=context, content=content),
                                timeout=120, metadata=metadata).verdict

    call.metadata, call.stub = metadata, stub
    return call


def test_a_file_is_screened_in_every_mode_that_a_picture_is_saved_in(screen, words):
    picture = drawn(1)
    alpha = picture.convert("RGBA")
    alpha.putalpha(Image.linear_gradient("L").resize(picture.size))
    turned = picture.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6
    grey16 = picture.convert("L").point(lambda v: v * 257, "I").convert("I;16")
    boxed = Image.new("RGB", (640, 800))
    boxed.paste(picture, (0, 160))
    modes = {
        "gif": saved(picture, "GIF"),
        "palette png": saved(picture.quantize(256), "PNG"),
        "cmyk jpeg": saved(picture.convert("CMYK"), "JPEG", quality=90),
        "progressive jpeg": saved(picture, "JPEG", quality=85, progressive=True),
        "16-bit png": saved(grey16, "PNG"),
        "alpha png": saved(alpha, "PNG"),
        "exif-turned jpeg": saved(turned, "JPEG", quality=90, exif=exif),
        "mirrored": saved(picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "PNG"),
        "turned": saved(turned, "PNG"),
        "letterboxed": saved(boxed, "JPEG", quality=85),
        "webp": saved(picture, "WEBP", quality=85),
        "bmp": saved(picture, "BMP"),
        "tiff": saved(picture, "TIFF"),
    }
    for mode, content in modes.items():
        verdict = screen(content)
        distances = [f.match.distance for f in verdict.findings if f.match.bank_id == "known"]
        assert distances and min(distances) <= 31, f"{mode}: {verdict}"
        assert verdict.disposition >= words.v.DISPOSITION_HOLD, mode
    other = screen(saved(drawn(2), "PNG"))
    assert other.disposition == words.v.DISPOSITION_ALLOW, other


def test_a_hash_and_a_batch_of_hashes_are_screened(screen, words):
    digest = hashlib.sha256(saved(drawn(1), "PNG")).hexdigest()
    context = words.c.Context(surface="SURFACE_KIND_UPLOAD", visibility="VISIBILITY_PUBLIC")
    signal = words.sig.Signal(type="SIGNAL_TYPE_SHA256", text=digest)
    one = screen.stub.ScreenSignals(
        words.s.ScreenSignalsRequest(context=context, signals=[signal],
                                     media_kind="MEDIA_KIND_IMAGE"),
        timeout=30, metadata=screen.metadata).verdict
    assert one.disposition == words.v.DISPOSITION_BLOCK
    assert one.assurance == words.v.ASSURANCE_VERIFIED_KNOWN

    def asked():
        yield words.s.ScreenSignalsBatchRequest(
            open=words.s.ScreenSignalsBatchOpen(context=context))
        items = [words.s.SignalsItem(
            item_id=str(n), media_kind="MEDIA_KIND_OTHER",
            signals=[words.sig.Signal(type="SIGNAL_TYPE_SHA256",
                                      text=digest if n == 500 else f"{n:064x}")])
            for n in range(1024)]
        yield words.s.ScreenSignalsBatchRequest(batch=words.s.SignalsBatch(number=1, items=items))

    found = {}
    for said in screen.stub.ScreenSignalsBatch(asked(), timeout=120, metadata=screen.metadata):
        for item in said.result.items:
            found[int(item.item_id)] = item.disposition
    assert len(found) == 1024
    blocked = [n for n, disposition in found.items() if disposition == words.v.DISPOSITION_BLOCK]
    assert blocked == [500]


def test_an_upload_of_50_mib_in_chunks_is_decided(server, screen, words):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number in range(70):
            # Pictures without compression, the last of them listed.
            content = saved(drawn(1 if number == 69 else 100 + number), "BMP")
            entry = tarfile.TarInfo(f"{number}.bmp")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    content = out.getvalue()
    assert len(content) > 50 * 1024 * 1024

    def steps():
        context = words.c.Context(surface="SURFACE_KIND_UPLOAD", visibility="VISIBILITY_PUBLIC")
        yield words.s.ScreenUploadRequest(open=words.s.ScreenUploadOpen(
            context=context, declared_size_bytes=len(content)))
        for number, at in enumerate(range(0, len(content), CHUNK), start=1):
            yield words.s.ScreenUploadRequest(chunk=words.s.MediaChunk(
                number=number, data=content[at:at + CHUNK]))
        yield words.s.ScreenUploadRequest(finish=words.s.MediaFinish())

    verdict = None
    for said in screen.stub.ScreenUpload(steps(), timeout=300, metadata=screen.metadata):
        if said.WhichOneof("step") == "verdict":
            verdict = said.verdict
    assert verdict.disposition >= words.v.DISPOSITION_HOLD
    assert {f.match.part for f in verdict.findings} == {"69"}
    assert server.resident_mib() < 512 + 256


def test_a_hundred_thousand_hashes_are_imported(server, bank, words):
    dice = random.Random(3)
    lines = b"".join(b"%064x\n" % dice.getrandbits(256) for _ in range(100_000))
    stub = words.bg.BankServiceStub(server.channel)
    stub.CreateBank(words.b.CreateBankRequest(bank_id="many", bank=words.b.Bank(
        role="BANK_ROLE_POSITIVE", mode="BANK_MODE_SHADOW")), timeout=30, metadata=bank)

    def steps():
        yield words.b.ImportEntriesRequest(open=words.b.ImportOpen(
            bank_id="many", format="IMPORT_FORMAT_TEXT", signal_type="SIGNAL_TYPE_PDQ"))
        for number, at in enumerate(range(0, len(lines), CHUNK), start=1):
            yield words.b.ImportEntriesRequest(chunk=words.b.ImportChunk(
                number=number, data=lines[at:at + CHUNK]))

    began = time.monotonic()
    answer = stub.ImportEntries(steps(), timeout=300, metadata=bank)
    print(f"\n100,000 hashes imported in {time.monotonic() - began:.1f} s")
    assert (answer.taken_count, answer.refused_count) == (100_000, 0)
    status = stub.GetIndexStatus(words.b.GetIndexStatusRequest(), timeout=30, metadata=bank)
    many = next(row for row in status.banks if row.bank_id == "many")
    assert many.entry_count == 100_000 and many.signals[0].count == 100_000


def test_health_and_reflection_answer(server):
    stub = health_pb2_grpc.HealthStub(server.channel)
    for name in ["", "readiness", "bulwark.v1.ScreeningService", "bulwark.v1.BankService",
                 "bulwark.v1.AdminService"]:
        answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, name
    services = ProtoReflectionDescriptorDatabase(server.channel).get_services()
    assert {"bulwark.v1.ScreeningService", "grpc.health.v1.Health"} <= set(services)


def details(error):
    status = rpc_status.from_call(error.value)
    info, fields = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    named = []
    for detail in status.details:
        if detail.Is(info.DESCRIPTOR):
            detail.Unpack(info)
        if detail.Is(fields.DESCRIPTOR):
            detail.Unpack(fields)
            named = [violation.field for violation in fields.field_violations]
    assert info.domain == "bulwark.dev"
    return error.value.code(), info.reason, named


def test_refusals_say_why_in_full(server, screen, bank, words):
    stub, code = screen.stub, grpc.StatusCode
    with pytest.raises(grpc.RpcError) as nobody:
        stub.GetVerdict(words.s.GetVerdictRequest(verdict_id="v"), timeout=10)
    assert details(nobody)[:2] == (code.UNAUTHENTICATED, "CREDENTIAL_MISSING")
    with pytest.raises(grpc.RpcError) as role:
        stub.ScreenMedia(words.s.ScreenMediaRequest(), timeout=10, metadata=bank)
    assert details(role)[:2] == (code.PERMISSION_DENIED, "ROLE_MISSING")
    with pytest.raises(grpc.RpcError) as fields:
        stub.ScreenMedia(words.s.ScreenMediaRequest(context=words.c.Context()), timeout=10,
                         metadata=screen.metadata)
    assert details(fields) == (code.INVALID_ARGUMENT, "FIELD_INVALID",
                               ["context.surface", "context.visibility", "content"])


def test_the_lines_of_the_readme_run(server, screen, tmp_path):
    """The example file is what the README shows."""
    picture = tmp_path / "picture.jpg"
    picture.write_bytes(saved(drawn(1), "JPEG"))
    example = ROOT / "examples" / "python" / "screen.py"
    key = dict(screen.metadata)["authorization"].removeprefix("Bearer ")
    ran = subprocess.run(
        [os.sys.executable, str(example), server.address, key, str(picture)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in os.sys.path if p)},
        capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "DISPOSITION_BLOCK" in ran.stdout or "DISPOSITION_HOLD" in ran.stdout
    assert example.read_text().strip() in (ROOT / "README.md").read_text()


def test_buf_curl_calls_by_reflection(server, screen):
    buf = os.environ["BUF"]
    authorization = dict(screen.metadata)["authorization"]
    ran = subprocess.run(
        [buf, "curl", "--protocol", "grpc", "--http2-prior-knowledge",
         "--header", f"authorization: {authorization}",
         "--data", '{"context": {"surface": "SURFACE_KIND_UPLOAD", "visibility": "VISIBILITY_PUBLIC"},'
                   ' "signals": [{"type": "SIGNAL_TYPE_MD5", "text": "' + "0" * 32 + '"}]}',
         f"http://{server.address}/bulwark.v1.ScreeningService/ScreenSignals"],
        capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert "DISPOSITION_HOLD" in ran.stdout


def test_malformed_pictures_of_an_imaging_library_are_survived(server, screen, words, tmp_path):
    """The test files of Pillow's source package, many of them malformed: run through, never kept."""
    subprocess.run(
        [os.sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check",
         "--no-deps", "--no-binary", ":all:", "--no-build-isolation", "-d", str(tmp_path),
         "pillow==11.0.0"],
        check=False, capture_output=True)
    packages = list(tmp_path.glob("*.tar.gz"))
    assert packages, "the source package could not be had"
    ran = 0
    with tarfile.open(packages[0]) as archive:
        for entry in archive:
            if not entry.isfile() or "/Tests/images/" not in entry.name:
                continue
            if not 0 < entry.size <= 4 * 1024 * 1024:
                continue
            verdict = screen(archive.extractfile(entry).read(), item=pathlib.Path(entry.name).name)
            states = {row.check: row.state for row in verdict.coverage if row.part == ""}
            image = states[words.v.CHECK_IMAGE_MATCH]
            if verdict.disposition == words.v.DISPOSITION_ALLOW:
                done = (words.v.CHECK_STATE_CHECKED, words.v.CHECK_STATE_NOT_APPLICABLE)
                assert image in done, entry.name
            ran += 1
    assert ran > 500
    assert screen(saved(drawn(2), "PNG")).disposition == words.v.DISPOSITION_ALLOW


def test_the_example_guards_a_live_stream(server, screen, tmp_path):
    """What is listed is cut, what is not plays, and what was cut never plays again."""
    listed, other = tmp_path / "listed.jpg", tmp_path / "other.png"
    listed.write_bytes(saved(drawn(1), "JPEG"))
    other.write_bytes(saved(drawn(77), "PNG"))
    key = dict(screen.metadata)["authorization"].removeprefix("Bearer ")

    def guarded(stream_id, *paths):
        return subprocess.run(
            [os.sys.executable, str(ROOT / "examples" / "python" / "guard_stream.py"),
             server.address, key, stream_id, *map(str, paths)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in os.sys.path if p)},
            capture_output=True, text=True, check=False, timeout=120)

    ran = guarded("plays", other, other)
    assert ran.returncode == 0, ran.stderr
    assert "interrupt" not in ran.stdout and "ended clean" in ran.stdout, ran.stdout
    ran = guarded("is cut", other, listed, other)
    assert ran.returncode == 0, ran.stderr
    assert "interrupt" in ran.stdout and "ended not clean" in ran.stdout, ran.stdout
    ran = guarded("is cut", other)
    assert ran.returncode != 0 and "FAILED_PRECONDITION" in ran.stderr, ran.stderr
