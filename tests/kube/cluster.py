"""A namespace of a Kubernetes for tests, and a way from its pods to servers that listen on 127.0.0.1 only."""

import ipaddress
import socket
import socketserver
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from kubernetes.client import ApiException, CoreV1Api, V1Eviction, V1Namespace, V1ObjectMeta, V1Secret, V1ServiceAccount

from devstack.ports import HOST

PATIENCE = 300.0
CHUNK = 1 << 16


@dataclass
class Cluster:
    """The namespace in which jobs run, and what a person with kubectl would see in it."""

    api: CoreV1Api
    namespace: str

    def secret(self, name: str, **values: str) -> None:
        """Make a secret."""
        self.api.create_namespaced_secret(
            self.namespace, V1Secret(metadata=V1ObjectMeta(name=name), string_data=values)
        )

    def service_account(self, name: str) -> None:
        """Make a service account."""
        self.api.create_namespaced_service_account(self.namespace, V1ServiceAccount(metadata=V1ObjectMeta(name=name)))

    def pods(self, dag_id: str) -> list[Any]:
        """List the pods of a DAG."""
        return list(self.api.list_namespaced_pod(self.namespace, label_selector=f"dag_id={dag_id}").items)

    def lacks(self, dag_id: str) -> None:
        """Wait until the last pod of a DAG is gone: it was deleted when its task ended, and has a while for its end."""
        until(lambda: not self.pods(dag_id), f"the pod of {dag_id} to be gone")

    def evict(self, dag_id: str) -> None:
        """Wait until the pod of a DAG runs, and evict it, as draining a node does."""
        (pod,) = until(lambda: [pod for pod in self.pods(dag_id) if pod.status.phase == "Running"], f"{dag_id} to run")
        name = V1ObjectMeta(name=pod.metadata.name, namespace=self.namespace)
        self.api.create_namespaced_pod_eviction(pod.metadata.name, self.namespace, V1Eviction(metadata=name))

    @property
    def gateway(self) -> str:
        """Address of this machine to which its nodes and their pods reach; raises where others might, too."""
        node = self.api.list_node().items[0]
        (address,) = (one.address for one in node.status.addresses if one.type == "InternalIP")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))
            found = str(probe.getsockname()[0])
        if not ipaddress.ip_address(found).is_private:
            pytest.exit(f"The node {address} is reached from {found}, a public address: use a local cluster.", 1)
        return found


@contextmanager
def namespace(api: CoreV1Api) -> Iterator[Cluster]:
    """Give a namespace of its own for the length of a block; it and all in it are gone afterwards."""
    made = Cluster(api, f"watershed-test-{uuid.uuid4().hex[:8]}")
    api.create_namespace(V1Namespace(metadata=V1ObjectMeta(name=made.namespace)))
    try:
        yield made
    finally:
        api.delete_namespace(made.namespace)
        until(lambda: gone(api, made.namespace), f"namespace {made.namespace} to end")


def gone(api: CoreV1Api, name: str) -> bool:
    """Tell whether a namespace is there no more."""
    try:
        api.read_namespace(name)
    except ApiException as error:
        return bool(error.status == 404)
    return False


def until(look: Callable[[], Any], what: str) -> Any:
    """Wait until there is something."""
    deadline = time.monotonic() + PATIENCE
    while not (found := look()):
        if time.monotonic() > deadline:
            pytest.fail(f"Waited {PATIENCE:.0f} s for {what}.")
        time.sleep(0.5)
    return found


class Pipe(socketserver.BaseRequestHandler):
    """One connection, handed on to the same port of 127.0.0.1."""

    def handle(self) -> None:
        """Carry bytes both ways until both have ended."""
        with socket.create_connection((HOST, self.server.server_address[1])) as inner:
            back = threading.Thread(target=carry, args=(inner, self.request), daemon=True)
            back.start()
            carry(self.request, inner)
            back.join()


def carry(source: socket.socket, target: socket.socket) -> None:
    """Carry bytes one way until they end."""
    with suppress(OSError):
        while data := source.recv(CHUNK):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)


class Forwarder(socketserver.ThreadingTCPServer):
    """Listens on one address, where only pods of this machine come from."""

    daemon_threads = True
    allow_reuse_address = True


@contextmanager
def forwarded(address: str, *ports: int) -> Iterator[None]:
    """Let servers of 127.0.0.1 be reached at another address, too, for the length of a block."""
    with ExitStack() as stack:
        for port in ports:
            server = stack.enter_context(Forwarder((address, port), Pipe))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
        yield
