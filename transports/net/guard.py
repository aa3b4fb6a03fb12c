"""Where outgoing connections may go: every address is checked just before it is connected to."""

from __future__ import annotations

import queue
import socket
import threading
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from msgspec import Struct

from transports.net.deadline import Deadline
from transports.types import Reason, ReasonCode, Scope

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

# Services that give out a machine's credentials; link-local addresses are never allowed by default anyway.
METADATA: tuple[Network, ...] = (
    ip_network("169.254.0.0/16"),  # AWS, Azure, Google, OpenStack, ECS
    ip_network("100.100.100.200/32"),  # Alibaba Cloud
    ip_network("168.63.129.16/32"),  # Azure's wire server
    ip_network("192.0.0.192/32"),  # Oracle Cloud
    ip_network("fd00:ec2::/32"),  # AWS
    ip_network("fd20:ce::/32"),  # Google
)
SHARED = ip_network("100.64.0.0/10")  # carrier-grade NAT, RFC 6598
_BROADCAST = IPv4Address("255.255.255.255")
NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))  # RFC 6052, RFC 8215


class ConnectionFailed(Exception):  # noqa: N818 - read as a sentence: raise ConnectionFailed(reason)
    """A connection could not be made, or was lost. `reason` has SERVER scope."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Policy(Struct, frozen=True):
    """Where connections may go. `ports` None means any; `private` allows loopback, private and shared ranges.

    `denied` wins over everything, `allowed` over the built-in rules. Link-local, multicast, unspecified and cloud
    metadata addresses are refused unless `allowed` names them.
    """

    ports: frozenset[int] | None = None
    private: bool = False
    allowed: tuple[Network, ...] = ()
    denied: tuple[Network, ...] = ()


SMTP_POLICY = Policy(ports=frozenset({25, 465, 587, 2525}), private=True)
HTTP_POLICY = Policy(ports=frozenset({443}))


def refusal(address: str, *, port: int, policy: Policy) -> str:
    """Why `address` (a numeric one) and `port` may not be connected to; empty when they may."""
    if policy.ports is not None and port not in policy.ports:
        return f"port {port} is not allowed"
    reached = _embedded(ip_address(address.partition("%")[0]))
    if _within(reached, policy.denied):
        return f"{reached} is in a denied network"
    if _within(reached, policy.allowed):
        return ""
    return _built_in_refusal(reached, private=policy.private)


def resolve(host: str, *, port: int, policy: Policy, deadline: Deadline) -> tuple[str, ...]:
    """The addresses of `host` that may be connected to, in the resolver's order; raises ConnectionFailed."""
    found = _look_up(host, port=port, deadline=deadline)
    refusals = [refusal(address, port=port, policy=policy) for address in found]
    allowed = tuple(address for address, why in zip(found, refusals, strict=True) if not why)
    if not allowed:
        raise ConnectionFailed(Reason(ReasonCode.ADDRESS_NOT_ALLOWED, Scope.SERVER, refusals[0]))
    return allowed


def connect(addresses: tuple[str, ...], *, port: int, deadline: Deadline) -> socket.socket:
    """A TCP connection to the first of `addresses` (from `resolve`) that answers; raises ConnectionFailed.

    The budget is shared out evenly, so that one dead address leaves time for the next.
    """
    failure = ConnectionFailed(Reason(ReasonCode.NO_ROUTE, Scope.SERVER, "no address"))
    for position, address in enumerate(addresses):
        try:
            return _connect_to(address, port=port, seconds=deadline.remaining() / (len(addresses) - position))
        except OSError as error:
            failure = ConnectionFailed(_reason(error, address=address, port=port))
    raise failure


def _connect_to(address: str, *, port: int, seconds: float) -> socket.socket:
    connection = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        connection.settimeout(seconds)
        connection.connect((address, port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except OSError:
        connection.close()
        raise
    return connection


def _reason(error: OSError, *, address: str, port: int) -> Reason:
    if isinstance(error, TimeoutError):
        code = ReasonCode.CONNECT_TIMEOUT
    elif isinstance(error, ConnectionRefusedError):
        code = ReasonCode.CONNECTION_REFUSED
    else:
        code = ReasonCode.NO_ROUTE
    return Reason(code, Scope.SERVER, f"[{address}]:{port}: {error.strerror or error}")


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 address leads to (mapped, 6to4, Teredo, NAT64), else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if _within(address, NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _built_in_refusal(reached: Address, *, private: bool) -> str:
    if reached.is_link_local or _within(reached, METADATA):
        return f"{reached} is a link-local or cloud metadata address"
    if reached.is_multicast or reached.is_unspecified or reached == _BROADCAST:
        return f"{reached} is not the address of one host"
    if not private and (not reached.is_global or _within(reached, (SHARED,))):
        return f"{reached} is not a public address"
    return ""


def _within(address: Address, networks: tuple[Network, ...]) -> bool:
    return any(address.version == network.version and address in network for network in networks)


def _look_up(host: str, *, port: int, deadline: Deadline) -> tuple[str, ...]:
    """Getaddrinfo has no time limit of its own, so it runs in a thread that is left behind when time is up."""
    try:
        return (str(ip_address(host.strip("[]"))),)
    except ValueError:
        pass
    answers: queue.SimpleQueue[tuple[str, ...] | OSError | UnicodeError] = queue.SimpleQueue()
    threading.Thread(target=_ask_resolver, args=(host, port, answers), daemon=True, name="resolver").start()
    try:
        answer = answers.get(timeout=deadline.remaining())
    except (queue.Empty, TimeoutError):
        answer = TimeoutError("the name server did not answer in time")
    if isinstance(answer, tuple):
        return answer
    raise ConnectionFailed(Reason(ReasonCode.NAME_NOT_RESOLVED, Scope.SERVER, f"{host}: {answer}"))


def _ask_resolver(host: str, port: int, answers: queue.SimpleQueue[tuple[str, ...] | OSError | UnicodeError]) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        answers.put(error)
    else:
        answers.put(tuple(dict.fromkeys(str(entry[4][0]) for entry in found)))
