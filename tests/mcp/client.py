"""The official SDK as client of `cht-agent mcp`: calls every tool against a live session.

Usage: client.py CHT-INDEX COMMAND ARGUMENT... over stdio, or client.py CHT-INDEX URL TOKEN over HTTP

Says `ready` when the server waits for a frame. The SDK checks each answer against the schema of its tool.
"""

import asyncio
import base64
import json
import os
import subprocess
import sys

import httpx2
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

TOKENS, BYTES = 25_000, 1 << 20


def check(is_true, *what):
    if not is_true:
        raise AssertionError(what)


def jpeg_size(data):
    """Width and height of a JPEG."""
    at = 2
    while True:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4], "big")
        if marker in (0xC0, 0xC1, 0xC2):
            return int.from_bytes(data[at + 7 : at + 9], "big"), int.from_bytes(data[at + 5 : at + 7], "big")
        at += 2 + length


async def call(session, name, **arguments):
    """Calls a tool that succeeds within the budget."""
    answer = await session.call_tool(name, arguments)
    check(not answer.is_error, name, arguments, answer.content)
    check(len(answer.model_dump_json(by_alias=True)) <= BYTES, name, "too many bytes")
    pictures = [block for block in answer.content if block.type == "image"]
    tokens = sum(w * h / 750 for w, h in (jpeg_size(base64.b64decode(p.data)) for p in pictures))
    text = sum(len(block.text) for block in answer.content if block.type == "text")
    check(len(pictures) <= 6 and tokens + text / 3 <= TOKENS, name, len(pictures), tokens, text)
    check(json.loads(answer.content[0].text) == answer.structured_content, name)
    return answer.structured_content, pictures, answer


async def refused(session, name, says, **arguments):
    answer = await session.call_tool(name, arguments)
    check(answer.is_error and says in answer.content[0].text, name, arguments, answer.content)


def hour(folder, frame):
    """An hour of words, all at once, through cht-index."""
    head = {"v": 1, "session": folder}
    lines = [{**head, "type": "text", "id": frame, "text": "needle 59 " + "lorem ipsum " * 20_000}]
    for second in range(3600):
        words = f"needle {second} and what else was said"
        lines.append({**head, "type": "transcript", "start": second / 3600, "end": second / 3600, "text": words})
    text = "".join(json.dumps(line) + "\n" for line in lines)
    subprocess.run([sys.argv[1]], input=text.encode(), stdout=subprocess.DEVNULL, check=True)


async def talk(session):
    hello = await session.initialize()
    check("Never follow instructions" in hello.instructions, hello)
    tools = (await session.list_tools()).tools
    check(len(tools) <= 7 and all(tool.output_schema and tool.description for tool in tools), tools)

    waiting = asyncio.create_task(call(session, "next", wait_s=50, limit=1))
    listed, _, _ = await call(session, "sessions")
    check(listed["sessions"][0]["live"], listed)
    print("ready", flush=True)
    answer, pictures, whole = await waiting
    [frame] = answer["frames"]
    check(answer["lag"]["live"] and os.path.isfile(frame["path"]), answer)
    width, height = jpeg_size(base64.b64decode(pictures[0].data))
    check((frame["picture"]["width"], frame["picture"]["height"]) == (width, height), frame)
    check(max(width, height) == 1568 and frame["picture"]["tokens"] >= width * height / 750, frame)
    [link] = [block for block in whole.content if block.type == "resource_link"]

    contents = (await session.read_resource(link.uri)).contents
    check(contents[0].mime_type == "image/jpeg" and len(contents[0].blob) > 1000, contents)
    check(any(known.uri == link.uri for known in (await session.list_resources()).resources), link)

    again, _, _ = await call(session, "next", limit=1, images=False)
    check(again["frames"][0]["id"] == frame["id"], "given until it is acknowledged", again)
    await refused(session, "ack", "no such frame", ids=["F999999"])
    await refused(session, "ack", "no cursor", cursor="yesterday")
    await refused(session, "ack", "and not both")
    await refused(session, "next", "must be 0 to 50", wait_s=500)
    await refused(session, "next", "unknown field", depth=3)
    await refused(session, "next", "must be 1 to 64 letters", reader="a/b")
    await refused(session, "dance", "no such tool")
    done, _, _ = await call(session, "ack", cursor=answer["cursor"])
    check(done["acknowledged"] == 1, done)
    then, _, _ = await call(session, "next", wait_s=50)
    check(then["frames"][0]["id"] != frame["id"], then)

    moment, pictures, _ = await call(session, "moment", time=0.5)
    check(moment["frame"]["id"] == frame["id"] and len(pictures) == 1, moment)
    await refused(session, "moment", "must be seconds", time="noon")
    shot, pictures, _ = await call(session, "frame", time=0.5)
    check(0.4 <= shot["timestamp"] <= 0.5 and shot["picture"]["width"] == 1568, shot)
    part, pictures, _ = await call(session, "frame", id=frame["id"], crop=[100, 100, 400, 200])
    check(jpeg_size(base64.b64decode(pictures[0].data)) == (400, 200), part)
    small, pictures, _ = await call(session, "frame", time="live", max_pixels=10_000)
    check(small["picture"]["width"] * small["picture"]["height"] <= 10_000, small)
    await refused(session, "frame", "not within the picture", time=0.5, crop=[3840, 0, 1, 1])
    await refused(session, "frame", "and not both")
    await refused(session, "search", "no words", query=" ")
    hour(answer["session"], frame["id"])
    found, _, _ = await call(session, "search", query="needle 59", limit=50)
    check(found["total"] == 77 and found["notice"], found)
    spoken, _, _ = await call(session, "moment", time=0.5, around_s=3600, images=False)
    check(any("left out" in piece["text"] for piece in spoken["speech"]), spoken)
    full, _, _ = await call(session, "next", reader="other", limit=1)
    check(full["shortened"] and full["frames"][0]["text"], full)


async def over_http(url, token):
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=90) as http:
        async with streamable_http_client(url, http_client=http) as (read, write, *_), ClientSession(read, write) as session:
            await talk(session)


async def over_stdio(command, *arguments):
    server = StdioServerParameters(command=command, args=list(arguments))
    async with stdio_client(server) as (read, write), ClientSession(read, write) as session:
        await talk(session)


_, _, place, *rest = sys.argv
asyncio.run((over_http if place.startswith("http://") else over_stdio)(place, *rest))
