"""Servers ended and started again one after another, under calls that follow the published service config."""

import hashlib
import os
import shutil
import socket
import subprocess
import threading
import time

import grpc
import pytest
from conftest import PROGRAM, ROOT, said

LANES = 4
ROUNDS = int(os.environ.get("BULWARK_LONG") is not None) * 8 + 2
CONFIG = (ROOT / "proto" / "service_config.json").read_text()


class Replica:
    """One of two servers: stopped and started again over the same directory and on the same port."""

    def __init__(self, folder):
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = "127.0.0.1:%d" % free.getsockname()[1]
        self.key = None

    def start(self):
        self.process = subprocess.Popen(
            [PROGRAM, "serve", "--set", f"data_dir={self.folder}", "--set", f"listen={self.address}",
             "--set", "metrics_listen=", "--set", "media.workers=1", "--set", "drain_notice=300 ms"],
            stderr=subprocess.STDOUT, stdout=subprocess.PIPE, text=True,
            env={k: v for k, v in os.environ.items() if not k.startswith("BULWARK_")},
        )
        for line in self.process.stdout:
            if line.startswith("bulwark_"):
                self.key = line.strip()
            if "serving" in line:
                break
        threading.Thread(target=self.process.stdout.read, daemon=True).start()

    def stop(self):
        self.process.terminate()
        assert self.process.wait(timeout=60) == 0, "it ends in order"

    def kill(self):
        self.process.kill()
        self.process.wait()


@pytest.fixture
def replicas(tmp_path):
    """Two deployments with the same credential and the same bank, and the credential."""
    from bulwark.v1 import admin_service_pb2 as a
    from bulwark.v1 import admin_service_pb2_grpc as ag
    from bulwark.v1 import bank_service_pb2 as b
    from bulwark.v1 import bank_service_pb2_grpc as bg
    from bulwark.v1 import signal_pb2 as sig

    first, second = Replica(tmp_path / "first"), Replica(tmp_path / "second")
    first.start()
    with grpc.insecure_channel(first.address) as channel:
        grpc.channel_ready_future(channel).result(timeout=30)
        made = ag.AdminServiceStub(channel).CreateCredential(
            a.CreateCredentialRequest(credential=a.Credential(
                tenant_id="operator", environment="ENVIRONMENT_TEST", key=a.ApiKey(),
                roles=["ROLE_SCREENER", "ROLE_BANK_MANAGER"])),
            timeout=30, metadata=said(first.key))
        metadata = said(made.key)
        banks = bg.BankServiceStub(channel)
        banks.CreateBank(
            b.CreateBankRequest(bank_id="known", bank=b.Bank(
                role="BANK_ROLE_POSITIVE", mode="BANK_MODE_ENFORCE", vetted=True,
                legal_basis="a test")),
            timeout=30, metadata=metadata)
        digest = hashlib.sha256(b"known").hexdigest()
        banks.AddEntry(
            b.AddEntryRequest(bank_id="known", signals=b.SignalList(signals=[
                sig.Signal(type="SIGNAL_TYPE_SHA256", text=digest)])),
            timeout=30, metadata=metadata)
    first.stop()
    shutil.copytree(first.folder, second.folder)
    for replica in (first, second):
        replica.start()
    yield (first, second), metadata, digest
    for replica in (first, second):
        replica.kill()


@pytest.mark.parametrize("end", [Replica.stop, Replica.kill])
def test_servers_that_are_stopped_or_killed_one_after_another_fail_no_call(replicas, end):
    from bulwark.v1 import context_pb2 as c
    from bulwark.v1 import screening_service_pb2 as s
    from bulwark.v1 import screening_service_pb2_grpc as sg
    from bulwark.v1 import signal_pb2 as sig
    from bulwark.v1 import verdict_pb2 as v

    servers, metadata, digest = replicas
    target = "ipv4:" + ",".join(server.address for server in servers)
    channel = grpc.insecure_channel(target, options=[
        ("grpc.service_config", CONFIG),
        # Two addresses are no name of a server, as one from DNS would be.
        ("grpc.default_authority", "bulwark.example"),
        # A server that comes back is found again within a second.
        ("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 1000)])
    stub = sg.ScreeningServiceStub(channel)
    context = c.Context(surface="SURFACE_KIND_UPLOAD", visibility="VISIBILITY_PUBLIC")
    over, failures = threading.Event(), []
    asked, answered = [0] * LANES, [0] * LANES

    def screen(lane):
        while not over.is_set():
            ours = c.Context()
            ours.CopyFrom(context)
            ours.request_id = f"{lane}-{asked[lane]}"
            request = s.ScreenSignalsRequest(context=ours, media_kind="MEDIA_KIND_IMAGE", signals=[
                sig.Signal(type="SIGNAL_TYPE_SHA256", text=digest)])
            try:
                try:
                    verdict = stub.ScreenSignals(request, metadata=metadata).verdict
                except grpc.RpcError as error:
                    # No library repeats a call whose answer had begun when its server was killed: who called does, with
                    # the same id, as for every broken connection. An orderly stop breaks none.
                    if end is not Replica.kill or error.code() != grpc.StatusCode.UNAVAILABLE:
                        raise
                    verdict = stub.ScreenSignals(request, metadata=metadata).verdict
                assert verdict.disposition == v.DISPOSITION_BLOCK
            except (grpc.RpcError, AssertionError) as error:
                failures.append(error)
            else:
                answered[lane] += 1
            asked[lane] += 1

    lanes = [threading.Thread(target=screen, args=(lane,)) for lane in range(LANES)]
    for lane in lanes:
        lane.start()
    try:
        for _ in range(ROUNDS):
            for server in servers:
                before = sum(answered)
                end(server)
                server.start()
                # The next one goes only when this one is back: that is what a rolling restart means.
                with grpc.insecure_channel(server.address) as own:
                    grpc.channel_ready_future(own).result(timeout=30)
                time.sleep(1.5)
                assert sum(answered) > before + 10, "calls go on"
    finally:
        over.set()
        for lane in lanes:
            lane.join()
        channel.close()
    for server in servers:
        server.stop()
    print(f"{sum(answered)} calls over {2 * ROUNDS} restarts, {len(failures)} failed")
    assert not failures, failures[:3]
