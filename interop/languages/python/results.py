"""Lines of JSON on standard output: how a script tells the Go test what came out."""

import asyncio
import json
import sys
import time


class Limit(Exception):
    """The client under test cannot do this, whatever the server."""


def line(**fields):
    print(json.dumps(fields), flush=True)


def restart():
    """Asks the test to restart the server, and waits until it has."""
    line(control="restart")
    sys.stdin.readline()


def check(condition, message):
    if not condition:
        raise AssertionError(message)


def equal(got, want, message):
    check(got == want, f"{message}: got {got!r:.300}, want {want!r:.300}")


async def run(scenarios, new_peer):
    """Runs each scenario with a context of its own and prints its outcome."""
    for name, scenario in scenarios.items():
        start, opened = time.monotonic(), []
        result = {"scenario": name, "ok": True}

        def peer():
            opened.append(new_peer())
            return opened[-1]

        try:
            await asyncio.wait_for(scenario(peer), 60)
        except Limit as limit:
            result["limit"] = str(limit)
        except Exception as error:  # the scenario failed; the others go on
            result |= {"ok": False, "error": f"{type(error).__name__}: {error}"}
        for one in opened:
            await one.close()
        line(**result, ms=int(1000 * (time.monotonic() - start)))
    line(done=True)
