"""The official SDK as client of `cht-agent mcp --http`, at a URL with a token. Usage: http_client.py URL TOKEN"""

import asyncio
import sys

import httpx2
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client


async def main(url, token):
    async with httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as http:
        async with streamable_http_client(url, http_client=http) as (read, write, *_), ClientSession(read, write) as session:
            await session.initialize()
            names = {tool.name for tool in (await session.list_tools()).tools}
            answer = await session.call_tool("next", {"limit": 1})
            assert not answer.is_error and {"next", "ack"} <= names, (names, answer)
            assert answer.structured_content["frames"][0]["id"] == "F000001", answer


asyncio.run(main(*sys.argv[1:]))
