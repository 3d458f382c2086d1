"""python-socketio as a client of a server that keeps the contract of interop/README.md.

Usage: client.py sync|async URL polling|websocket|upgrade

The scenarios are written once, as coroutines over a Peer. The peer of the synchronous client blocks in them: nothing
else runs in their loop, since that client has threads of its own.
"""

import asyncio
import queue
import sys

import engineio
import socketio

from results import Limit, check, equal, restart, run

PATIENCE = 30  # seconds for everything that has to come
TRANSPORTS = {"polling": ["polling"], "websocket": ["websocket"], "upgrade": ["polling", "websocket"]}

kind, url, mode = sys.argv[1:4]


class SyncPeer:
    """A socketio.Client, and what it received."""

    def __init__(self):
        self.client = socketio.Client(reconnection_delay=0.05, reconnection_delay_max=0.2)
        self.inboxes = {}

    async def connect(self, *namespaces, auth=None, target=url):
        self.client.connect(
            target, auth=auth, namespaces=list(namespaces) or ["/"], transports=TRANSPORTS[mode], wait_timeout=PATIENCE)
        return self

    def handle(self, event, handler, namespace="/"):
        self.client.on(event, handler, namespace)

    def collect(self, event, namespace="/"):
        """From now on, arguments of the event are for next and for what arrived returns."""
        inbox = self.inboxes[event, namespace] = queue.Queue()
        self.handle(event, lambda *args: inbox.put(list(args)), namespace)

    async def next(self, event, namespace="/"):
        return self.inboxes[event, namespace].get(timeout=PATIENCE)

    def arrived(self, event, namespace="/"):
        inbox = self.inboxes[event, namespace]
        return [inbox.get_nowait() for _ in range(inbox.qsize())]

    async def emit(self, event, *args, namespace="/"):
        self.client.emit(event, args, namespace)

    async def call(self, event, *args, namespace="/"):
        return self.client.call(event, args, namespace, timeout=PATIENCE)

    def sid(self, namespace="/"):
        return self.client.get_sid(namespace)

    async def close(self):
        self.client.shutdown()


class AsyncPeer:
    """A socketio.AsyncClient, and what it received."""

    def __init__(self):
        self.client = socketio.AsyncClient(reconnection_delay=0.05, reconnection_delay_max=0.2)
        self.inboxes = {}

    async def connect(self, *namespaces, auth=None, target=url):
        await self.client.connect(
            target, auth=auth, namespaces=list(namespaces) or ["/"], transports=TRANSPORTS[mode], wait_timeout=PATIENCE)
        return self

    def handle(self, event, handler, namespace="/"):
        async def handle(*args):
            return handler(*args)

        self.client.on(event, handle, namespace)

    def collect(self, event, namespace="/"):
        inbox = self.inboxes[event, namespace] = asyncio.Queue()
        self.handle(event, lambda *args: inbox.put_nowait(list(args)), namespace)

    async def next(self, event, namespace="/"):
        return await asyncio.wait_for(self.inboxes[event, namespace].get(), PATIENCE)

    def arrived(self, event, namespace="/"):
        inbox = self.inboxes[event, namespace]
        return [inbox.get_nowait() for _ in range(inbox.qsize())]

    async def emit(self, event, *args, namespace="/"):
        await self.client.emit(event, args, namespace)

    async def call(self, event, *args, namespace="/"):
        return await self.client.call(event, args, namespace, timeout=PATIENCE)

    def sid(self, namespace="/"):
        return self.client.get_sid(namespace)

    async def close(self):
        await self.client.shutdown()


def pattern(length):
    """What the server's "give" gives: 0, 1, … 255, 0, …"""
    return bytes(i % 256 for i in range(length))


async def connect(peer):
    one, other = await peer().connect(), await peer().connect()
    me = await one.call("whoami")
    equal(me["id"], one.sid(), "id on either side")
    check(one.sid() != other.sid(), "two sockets, two ids")
    equal(me["transport"], "polling" if mode == "polling" else "websocket", "transport")


async def authentication(peer):
    admitted = await peer().connect("/private", auth={"token": "secret"})
    equal((await admitted.call("whoami", namespace="/private"))["namespace"], "/private", "namespace")
    refused, told = peer(), []
    refused.handle("connect_error", told.append, "/private")
    try:
        await refused.connect("/private", auth={"token": "wrong"})
    except socketio.exceptions.ConnectionError:
        equal(told, [{"message": "not authorized", "data": {"code": "E_AUTH", "hint": ["token"]}}], "refusal")
        return
    raise AssertionError("somebody without the token was admitted")


async def events(peer):
    one = await peer().connect()
    one.collect("echo")
    for args in [
        [""], ["hello"], [0, -1.5, 1e21, True, False, None], [{}, [], [[]], {"a": {"b": [1, {"c": None}]}}],
        ["ünï ☃ 𝒳 👩‍👩‍👧", "tab\tnewline\nquote\"backslash\\", "\u0000\u001e\u2028"], ['2["x"]', {"_placeholder": False}],
    ]:
        await one.emit("echo", *args)
        equal(await one.next("echo"), args, "echo")


async def binary(peer):
    one = await peer().connect()
    one.collect("echo")
    for args in [[pattern(1)], [pattern(256)], [b""]]:
        await one.emit("echo", *args)
        equal(await one.next("echo"), args, "echo")


async def binary_in_values(peer):
    one = await peer().connect()
    one.collect("echo")
    one.collect("given")
    args = [pattern(3), "between", {"name": "a", "parts": [pattern(2), {"deep": pattern(4)}]}]
    await one.emit("echo", *args)
    equal(await one.next("echo"), args, "echo")
    await one.emit("give", 1000)
    equal(await one.next("given"), [{"name": "gift", "data": pattern(1000)}], "gift")


async def acks_by_the_server(peer):
    one = await peer().connect()
    equal(await one.call("echo"), None, "no argument")
    equal(await one.call("echo", "one"), "one", "one argument")
    equal(list(await one.call("echo", 1, {"two": [2]}, None)), [1, {"two": [2]}, None], "three arguments")
    for i in range(20):
        equal(await one.call("echo", i), i, "acknowledgement")


async def binary_acks_by_the_server(peer):
    one = await peer().connect()
    equal(await one.call("echo", pattern(10)), pattern(10), "binary")
    equal(list(await one.call("echo", "mixed", {"b": pattern(3)})), ["mixed", {"b": pattern(3)}], "mixed")


async def acks_by_the_client(peer):
    one = await peer().connect()
    one.handle("double", lambda n: 2 * n)
    equal(await one.call("ask", "double", 21, 1000 * PATIENCE), {"answer": [42]}, "answer")
    one.handle("reverse", lambda data: ("reversed", data[::-1]))
    equal(
        await one.call("ask", "reverse", b"\x01\x02", 1000 * PATIENCE), {"answer": ["reversed", b"\x02\x01"]}, "binary answer")


async def namespaces(peer):
    one = await peer().connect("/", "/chat")
    root, chat = await one.call("whoami"), await one.call("whoami", namespace="/chat")
    equal([root["namespace"], chat["namespace"]], ["/", "/chat"], "namespaces")
    check(root["id"] != chat["id"] == one.sid("/chat"), "each has an id")


async def rooms(peer):
    a, b, outsider = [await peer().connect() for _ in range(3)]
    for each in (a, b, outsider):
        each.collect("message")
    await a.call("join", ["red", "blue"])
    await b.call("join", ["red", "blue"])
    equal(await a.call("rooms"), ["blue", "red"], "rooms")
    await a.call("to-room", "red", "to red")
    await a.call("all-in-room", "blue", "all in blue", pattern(3))
    await b.call("leave", "red")
    await a.call("to-room", "red", "b left")
    for each in (a, b, outsider):
        await each.call("echo", "what came before has come")
    in_blue = ["all in blue", pattern(3)]
    equal([each.arrived("message") for each in (a, b, outsider)], [[in_blue], [["to red"], in_blue], []], "who got what")


async def order(peer):
    one = await peer().connect()
    one.collect("seq")
    for i in range(200):
        await one.emit("seq", i)
    equal(await one.call("seq-report"), {"received": 200, "firstWrong": -1}, "what the server got")
    await one.emit("flood", 200)
    equal([(await one.next("seq"))[0] for _ in range(200)], list(range(200)), "what the client got")


async def large(peer):
    one = await peer().connect()
    text = "0123456789abcdef☃" * 15_000
    check(await one.call("echo", text) == text, "a long text changed")
    check(await one.call("echo", pattern(300_000)) == pattern(300_000), "long binary changed")


async def disconnection(peer):
    one, other = await peer().connect(), await peer().connect()
    one.client.reconnection_attempts = -1  # "kick" means it
    one.collect("disconnect")
    await one.emit("kick", False)
    await one.next("disconnect")
    sid = other.sid()
    await other.close()
    witness = await peer().connect()
    reason = await witness.call("reason-of", sid)
    check(reason in ("client namespace disconnect", "transport close"), f"the server's reason is {reason!r}")


async def reconnection(peer):
    one = await peer().connect()
    one.collect("connect")
    one.collect("disconnect")
    before = one.sid()
    await asyncio.to_thread(restart)
    [reason] = await one.next("disconnect")
    if mode == "polling" and reason == one.client.reason.SERVER_DISCONNECT:
        await one.connect()
        equal((await one.call("whoami"))["id"], one.sid(), "id after connecting by hand")
        raise Limit("it takes the close packet of a server that shuts down for an order to stay away")
    await one.next("connect")
    check(one.sid() != before, "a new server gives a new id")
    equal((await one.call("whoami"))["id"], one.sid(), "id on either side")


SCENARIOS = {
    "connect": connect, "authentication": authentication, "events": events, "binary": binary, "binary in values": binary_in_values,
    "acks by the server": acks_by_the_server, "binary acks by the server": binary_acks_by_the_server,
    "acks by the client": acks_by_the_client, "namespaces over one connection": namespaces, "rooms": rooms, "order": order,
    "large": large, "disconnection": disconnection, "reconnection": reconnection,
}

# A poll may bring more than 16 packets, which the client refuses unless told otherwise.
engineio.payload.Payload.max_decode_packets = 1000

asyncio.run(run(SCENARIOS, {"sync": SyncPeer, "async": AsyncPeer}[kind]))
