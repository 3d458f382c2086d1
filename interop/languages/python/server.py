"""python-socketio as a server for our client.

Prints a line with its URL. Each line on standard input makes it stop and start again on the same port, which it
answers with a line.
"""

import asyncio
import json
import sys

import socketio
from aiohttp import web


def new_app():
    server = socketio.AsyncServer(async_mode="aiohttp", ping_interval=1, ping_timeout=20)
    app = web.Application()
    server.attach(app)

    async def private(sid, environ, auth):
        if (auth or {}).get("token") != "secret":
            raise socketio.exceptions.ConnectionRefusedError("not authorized", {"code": "E_AUTH"})

    server.on("connect", private, "/private")
    for namespace in ("/", "/chat", "/private"):
        handle(server, namespace)
    return app, server


def handle(server, namespace):
    """Registers the events: a part of the contract of interop/README.md."""

    async def echo(sid, *args):
        await server.emit("echo", args, to=sid, namespace=namespace)
        return args

    async def whoami(sid):
        return {"id": sid, "namespace": namespace, "transport": server.transport(sid, namespace)}

    async def join(sid, room):
        await server.enter_room(sid, room, namespace)
        return True

    async def all_in_room(sid, room, *args):
        await server.emit("message", args, room=room, namespace=namespace)
        return True

    async def ask(sid, event, arg):
        answer = asyncio.get_running_loop().create_future()
        await server.emit(event, arg, to=sid, namespace=namespace, callback=lambda *args: answer.set_result(args))
        return {"answer": list(await asyncio.wait_for(answer, 30))}

    async def kick(sid):
        await server.disconnect(sid, namespace)

    for event, handler in {
        "echo": echo, "whoami": whoami, "join": join, "all-in-room": all_in_room, "ask": ask, "kick": kick,
    }.items():
        server.on(event, handler, namespace)


async def serve(port):
    app, server = new_app()
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    return runner, server, runner.addresses[0][1]


async def main():
    runner, server, port = await serve(0)
    print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        await server.shutdown()
        await runner.cleanup()
        runner, server, port = await serve(port)
        print(json.dumps({}), flush=True)


asyncio.run(main())
