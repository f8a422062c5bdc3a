"""Screens one file: python screen.py 127.0.0.1:50051 KEY picture.jpg"""

import sys

import grpc
from bulwark.v1 import context_pb2, screening_service_pb2, screening_service_pb2_grpc, verdict_pb2

address, key, path = sys.argv[1:]
stub = screening_service_pb2_grpc.ScreeningServiceStub(grpc.insecure_channel(address))
request = screening_service_pb2.ScreenMediaRequest(
    context=context_pb2.Context(surface="SURFACE_KIND_UPLOAD", visibility="VISIBILITY_PUBLIC"),
    content=open(path, "rb").read(),
)
answer = stub.ScreenMedia(request, timeout=10, metadata=[("authorization", f"Bearer {key}")])
print(verdict_pb2.Disposition.Name(answer.verdict.disposition))
for row in answer.verdict.coverage:
    print(verdict_pb2.Check.Name(row.check), verdict_pb2.CheckState.Name(row.state), row.reason)
