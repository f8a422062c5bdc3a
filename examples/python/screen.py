"""Screens one file: python screen.py ADDRESS FILE, with the key in BULWARK_KEY.

The client comes from the contract:
python -m grpc_tools.protoc -I proto --python_out=. --grpc_python_out=. proto/bulwark/v1/*.proto
"""

import os
import sys
import uuid

import grpc
from bulwark.v1 import context_pb2, screening_service_pb2, screening_service_pb2_grpc, verdict_pb2


def screen(address, key, content):
    """Asks for a verdict on these bytes; up to 4 MiB go in one call."""
    with grpc.insecure_channel(address) as channel:
        screening = screening_service_pb2_grpc.ScreeningServiceStub(channel)
        request = screening_service_pb2.ScreenMediaRequest(
            context=context_pb2.Context(
                surface=context_pb2.SURFACE_KIND_UPLOAD,
                visibility=context_pb2.VISIBILITY_PUBLIC,
                # The same id makes it safe to ask again when no answer came.
                request_id=str(uuid.uuid4()),
            ),
            content=content,
        )
        metadata = [("authorization", f"Bearer {key}")]
        return screening.ScreenMedia(request, metadata=metadata, timeout=10).verdict


if __name__ == "__main__":
    with open(sys.argv[2], "rb") as file:
        verdict = screen(sys.argv[1], os.environ["BULWARK_KEY"], file.read())
    print(verdict_pb2.Disposition.Name(verdict.disposition))
    for row in verdict.coverage:
        print(verdict_pb2.Check.Name(row.check), verdict_pb2.CheckState.Name(row.state), row.reason)
