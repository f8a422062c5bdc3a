"""Guards a stream of picture files: python guard_stream.py 127.0.0.1:50051 KEY STREAM_ID picture.jpg…"""

import queue
import sys

import grpc
from bulwark.v1 import context_pb2, live_service_pb2, live_service_pb2_grpc

address, key, stream_id, *paths = sys.argv[1:]
waiting, number = queue.SimpleQueue(), 0


def say(**step):
    """Sends the next message."""
    global number
    number += 1
    waiting.put(live_service_pb2.GuardStreamRequest(number=number, **step))
    return number


context = context_pb2.Context(surface="SURFACE_KIND_LIVE", visibility="VISIBILITY_PUBLIC")
start = live_service_pb2.StreamStart(context=context, stream_id=stream_id)
waiting.put(live_service_pb2.GuardStreamRequest(start=start))
stub = live_service_pb2_grpc.LiveServiceStub(grpc.insecure_channel(address))
answers = stub.GuardStream(iter(waiting.get, None), metadata=[("authorization", f"Bearer {key}")])
asked = None
for answer in answers:
    if answer.WhichOneof("step") == "ended":
        print("ended", "clean" if answer.ended.clean else "not clean")
        break
    if answer.WhichOneof("step") != "directive":
        continue
    said = answer.directive
    # A directive that this program does not know means: pause, and call a person.
    todo = said.WhichOneof("directive") or "pause"
    print(said.number, todo)
    # Here the platform does it; then it says so.
    say(ack=live_service_pb2.StreamAck(directive_number=said.number))
    if asked not in (None, said.answers_number) and todo != "interrupt":
        continue
    if todo == "interrupt" or not paths:
        say(stop=live_service_pb2.StreamStop())
        continue
    picture = open(paths.pop(0), "rb").read()
    asked = say(frame=live_service_pb2.StreamFrame(image=picture))
waiting.put(None)
