"""A broker that speaks AMQP 0-9-1 just far enough to refuse a client, in the words of RabbitMQ 3.10."""

import socketserver
import struct
import threading
from contextlib import contextmanager, suppress

LOG_IN = (403, "ACCESS_REFUSED - Login was refused using authentication mechanism PLAIN.")
VIRTUAL_HOST = (530, "NOT_ALLOWED - vhost nowhere not found")
_START, _TUNE, _CLOSE = (10, 10), (10, 30), (10, 50)


@contextmanager
def refusing(refusal):
    """Its address, of a broker that refuses whoever logs in, or whatever virtual host is opened."""

    class Client(socketserver.StreamRequestHandler):
        def handle(self):
            self.request.settimeout(10)
            with suppress(OSError, struct.error):  # the client may go at any time
                self.refuse()

        def refuse(self):
            self.rfile.read(8)
            capabilities = _short("capabilities") + b"F" + _long(_short("authentication_failure_close") + b"t\x01")
            self.send(_START, b"\x00\x09" + _long(capabilities) + _long(b"PLAIN") + _long(b"en_US"))
            self.read()
            if refusal is VIRTUAL_HOST:
                self.send(_TUNE, struct.pack(">HIH", 0, 131_072, 0))
                self.read()
                self.read()
            code, words = refusal
            self.send(_CLOSE, struct.pack(">H", code) + _short(words) + bytes(4))
            self.read()

        def send(self, method, arguments):
            payload = struct.pack(">HH", *method) + arguments
            self.wfile.write(struct.pack(">BHI", 1, 0, len(payload)) + payload + b"\xce")

        def read(self):
            _kind, _channel, size = struct.unpack(">BHI", self.rfile.read(7))
            self.rfile.read(size + 1)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Client) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"amqp://app:a-word@127.0.0.1:{server.server_address[1]}//"
        finally:
            server.shutdown()
            thread.join()


def _short(text):
    return struct.pack(">B", len(text)) + text.encode()


def _long(raw):
    return struct.pack(">I", len(raw)) + raw
