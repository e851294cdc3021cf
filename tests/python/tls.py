"""TLS in front of a gateway, as a load balancer gives it: clients send other bodies over HTTPS."""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import threading
import urllib.parse

PIECE = 1 << 16


def certificate(folder):
    """A key and a certificate for 127.0.0.1 that signs itself."""
    key, cert = os.path.join(folder, "key.pem"), os.path.join(folder, "cert.pem")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(
        [*command.split(), *names, "-keyout", key, "-out", cert], check=True, capture_output=True
    )
    return key, cert


def pump(source, target):
    """Passes bytes on until one side ends."""
    with contextlib.suppress(OSError):
        while piece := source.recv(PIECE):
            target.sendall(piece)
    for side in (source, target):
        with contextlib.suppress(OSError):
            side.shutdown(socket.SHUT_RDWR)


def serve(client, context, address):
    with contextlib.suppress(OSError, ssl.SSLError):
        with context.wrap_socket(client, server_side=True) as client:
            with socket.create_connection(address) as server:
                back = threading.Thread(target=pump, args=(server, client), daemon=True)
                back.start()
                pump(client, server)
                back.join()


def accept(listener, context, address):
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=serve, args=(client, context, address), daemon=True).start()


@contextlib.contextmanager
def in_front_of(url):
    """The HTTPS address of a proxy for `url`, and the file that says whom to trust."""
    parts = urllib.parse.urlsplit(url)
    folder = tempfile.mkdtemp()
    try:
        key, cert = certificate(folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            arguments = (listener, context, (parts.hostname, parts.port))
            threading.Thread(target=accept, args=arguments, daemon=True).start()
            yield f"https://127.0.0.1:{listener.getsockname()[1]}", cert
            # Wakes the thread that accepts.
            listener.shutdown(socket.SHUT_RDWR)
    finally:
        shutil.rmtree(folder)
