#!/usr/bin/env python3
"""The gRPC server of the tests: Greeter of hello.proto, health, and reflection (v1alpha). SayHello and
Count tell the value of a metadata field when their request has its name.

    grpc_server.py FOLDER_OF_PROTOS [CERTIFICATE KEY [AUTHORITY_OF_CLIENTS]]

Prints "ready PORT" and serves until it is killed."""
import pathlib
import subprocess
import sys
import time
from concurrent import futures

import grpc
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

STATUS_DETAILS = "grpc-status-details-bin"


def field(number, data):
    """A length-delimited field of Protocol Buffers."""
    size, head = len(data), bytes([number << 3 | 2])
    while size >= 0x80:
        head, size = head + bytes([size & 0x7F | 0x80]), size >> 7
    return head + bytes([size]) + data


def load(folder):
    """The message classes of hello.proto and the descriptors of all files, by their names."""
    compiled = subprocess.run(["protoc", f"-I{folder}", "--include_imports",
                               "--descriptor_set_out=/dev/stdout", "hello.proto"], check=True,
                              capture_output=True).stdout
    pool = descriptor_pool.DescriptorPool()
    files = {}
    for file in descriptor_pb2.FileDescriptorSet.FromString(compiled).file:
        files[file.name] = file.SerializeToString()
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    messages = {name: factory.GetPrototype(pool.FindMessageTypeByName(f"hello.{name}"))
                for name in ("HelloRequest", "HelloReply", "Number")}
    return messages, files


class Greeter:
    def __init__(self, messages):
        self.messages = messages

    def reply(self, **fields):
        return self.messages["HelloReply"](**fields)

    def say_hello(self, request, context):
        context.send_initial_metadata((("x-first", "one"), ("x-bin", b"\1\2")))
        metadata = dict(context.invocation_metadata())
        sent = metadata.get("x-sent", "none")
        asked = context._rpc_event.call_details.host.decode()
        context.set_trailing_metadata((("x-last", sent), ("x-authority", asked)))
        text = metadata.get(request.name, f"hello {request.name}")
        reply = self.reply(message=text, big=request.big, color=request.color)
        reply.at.CopyFrom(request.at)
        for tag in request.tags:
            reply.counts[tag] += 1
        return reply

    def fail(self, request, context):
        """Ends with a google.rpc.Status (code, message, details) whose bytes are made by hand."""
        detail = any_pb2.Any()
        detail.Pack(self.messages["Number"](value=7))
        packed, text = detail.SerializeToString(), request.name.encode()
        status = (b"\x08\x05\x12" + bytes([len(text)]) + text + b"\x1a" + bytes([len(packed)]) + packed)
        context.set_trailing_metadata(((STATUS_DETAILS, status),))
        context.abort(grpc.StatusCode.NOT_FOUND, request.name)

    def slow(self, _request, _context):
        time.sleep(2)
        return self.reply(message="late")

    def big(self, request, _context):
        return self.reply(message="x" * request.big)

    def count(self, request, context):
        name = dict(context.invocation_metadata()).get(request.name, request.name)
        for i in range(request.big):
            yield self.reply(message=f"{name} {i}")

    def sum(self, numbers, _context):
        return self.messages["Number"](value=sum(n.value for n in numbers))

    def chat(self, requests, _context):
        for request in requests:
            yield self.reply(message=f"re: {request.name}")

    def handlers(self):
        def kind(make, function, request, reply):
            return make(function, self.messages[request].FromString,
                        self.messages[reply].SerializeToString)

        hello = ("HelloRequest", "HelloReply")
        return {
            "SayHello": kind(grpc.unary_unary_rpc_method_handler, self.say_hello, *hello),
            "Fail": kind(grpc.unary_unary_rpc_method_handler, self.fail, *hello),
            "Slow": kind(grpc.unary_unary_rpc_method_handler, self.slow, *hello),
            "Big": kind(grpc.unary_unary_rpc_method_handler, self.big, *hello),
            "Count": kind(grpc.unary_stream_rpc_method_handler, self.count, *hello),
            "Sum": kind(grpc.stream_unary_rpc_method_handler, self.sum, "Number", "Number"),
            "Chat": kind(grpc.stream_stream_rpc_method_handler, self.chat, *hello),
        }


def reflection(files):
    """ServerReflectionInfo in bytes: one file at a time, so that a client has to ask for imports."""
    def answer(requests, context):
        if dict(context.invocation_metadata()).get("x-token", "let me in") != "let me in":
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "not for you")
        for request in requests:
            kind, name = request[0] >> 3, request[2:].decode()
            if kind == 7:
                services = [b"hello.Greeter", b"grpc.reflection.v1alpha.ServerReflection"]
                yield field(6, b"".join(field(1, field(1, s)) for s in services))
            else:
                yield field(4, field(1, files["hello.proto" if kind == 4 else name]))
    return {"ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(answer)}


def check_health(request, context):
    """grpc.health.v1.Health/Check in bytes: "" and "hello" serve."""
    if request not in (b"", b"\x0a\x05hello"):
        context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
    return b"\x08\x01"


def main():
    folder, *tls = sys.argv[1:]
    messages, files = load(folder)
    health = {"Check": grpc.unary_unary_rpc_method_handler(check_health)}
    server = grpc.server(futures.ThreadPoolExecutor(8),
                         options=[("grpc.max_send_message_length", -1)])
    server.add_generic_rpc_handlers((
        grpc.method_handlers_generic_handler("hello.Greeter", Greeter(messages).handlers()),
        grpc.method_handlers_generic_handler("grpc.reflection.v1alpha.ServerReflection",
                                             reflection(files)),
        grpc.method_handlers_generic_handler("grpc.health.v1.Health", health)))
    if tls:
        cert, key, *clients = (pathlib.Path(name).read_bytes() for name in tls)
        credentials = grpc.ssl_server_credentials([(key, cert)], *clients, require_client_auth=bool(clients))
        port = server.add_secure_port("127.0.0.1:0", credentials)
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    print("ready", port, flush=True)
    server.wait_for_termination()


if __name__ == "__main__":
    main()
