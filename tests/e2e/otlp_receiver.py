#!/usr/bin/env python3
"""A receiver of OTLP metrics and traces over gRPC and HTTP: decodes what arrives and prints it.

    otlp_receiver.py FOLDER_OF_PROTOS [CERTIFICATE KEY]

Prints "ready GRPC_PORT HTTP_PORT", then a line of JSON per request: {"headers": .., "body": ..}. With
a certificate gRPC is served over TLS. Metadata and headers ask for trouble: x-fail-first makes gRPC's
first answer UNAVAILABLE, x-reject: N refuses N points of each request."""
import http.server
import json
import subprocess
import sys
import threading
from concurrent import futures

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory


def load(folder):
    compiled = subprocess.run(["protoc", f"-I{folder}", "--descriptor_set_out=/dev/stdout",
                               "otlp.proto"], check=True, capture_output=True).stdout
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(compiled).file:
        pool.Add(file)
    factory = message_factory.MessageFactory(pool)
    return [factory.GetPrototype(pool.FindMessageTypeByName(f"otlp.Export{kind}ServiceRequest"))
            for kind in ("Metrics", "Trace")]


Metrics, Trace = load(sys.argv[1])
lock = threading.Lock()


def show(headers, request):
    unknown = list(request.UnknownFields()) if hasattr(request, "UnknownFields") else []
    with lock:
        print(json.dumps({"headers": headers, "unknown": len(unknown), "body": json_format.MessageToDict(
            request, preserving_proto_field_name=True)}), flush=True)


def answer(headers):
    """An ExportMetricsServiceResponse, with a partial_success when that was asked for."""
    if "x-reject" not in headers:
        return b""
    inside = b"\x08" + bytes([int(headers["x-reject"])]) + b"\x12\x08too many"
    return b"\x0a" + bytes([len(inside)]) + inside


class Web(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {k.lower(): v for k, v in self.headers.items()}
        show({**headers, ":path": self.path}, (Trace if self.path == "/v1/traces" else Metrics).FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer(headers))))
        self.end_headers()
        self.wfile.write(answer(headers))

    def log_message(self, *_):
        pass


failed = False


def export(request, context):
    global failed
    metadata = dict(context.invocation_metadata())
    if "x-fail-first" in metadata and not failed:
        failed = True
        context.abort(grpc.StatusCode.UNAVAILABLE, "not yet")
    show(metadata, request)
    return answer(metadata)


def main():
    server = grpc.server(futures.ThreadPoolExecutor(2))
    for name, request in (("metrics.v1.Metrics", Metrics), ("trace.v1.Trace", Trace)):
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(
            f"opentelemetry.proto.collector.{name}Service",
            {"Export": grpc.unary_unary_rpc_method_handler(
                export, request_deserializer=request.FromString)}),))
    if len(sys.argv) > 2:
        cert, key = (open(path, "rb").read() for path in sys.argv[2:4])
        port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(key, cert)]))
    else:
        port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    print(f"ready {port} {web.server_port}", flush=True)
    web.serve_forever()


main()
