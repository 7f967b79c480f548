"""The sandbox as others run it: by its command, from `dev`, in a thread of a test, in a file to find again."""

from __future__ import annotations

import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from tests.support.processes import Process
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.serving import HOST, PortTaken, serving
from tollhouse.sandbox.state.file import UnusableFile
from tollhouse.testing import ServedSandbox, stripe_client

KEY = {"authorization": "Bearer sk_test_sandbox"}


async def get(url: str, **options: Any) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.get(url, **options)


async def test_it_is_found_at_the_port_it_was_given_and_gone_afterwards() -> None:
    async with serving(Sandbox()) as url, httpx.AsyncClient(base_url=url, headers=KEY) as client:
        made = (await client.post("/v1/customers", content="email=alice%40example.com")).json()
        assert (await client.get(f"/v1/customers/{made['id']}")).json()["email"] == "alice@example.com"
    with pytest.raises(httpx.ConnectError):
        await get(url)


async def test_a_taken_port_is_named() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} is taken"):
            async with serving(Sandbox(), port=port):
                pass


async def test_a_file_is_found_again_with_its_clock_and_gives_no_id_twice(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.db"
    async with Sandbox(path=path, seed=1, start=1_800_000_000) as first:
        async with first.client() as client:
            made = (await client.post("/v1/customers")).json()
        first.advance(3600)
    async with Sandbox(path=path, seed=1, start=1_800_000_000) as second, second.client() as client:
        assert (await client.get(f"/v1/customers/{made['id']}")).json() == made
        later = (await client.post("/v1/customers")).json()
        assert later["created"] == made["created"] + 3600
        assert later["id"] != made["id"]
        assert [each["id"] for each in (await client.get("/v1/customers")).json()["data"]] == [later["id"], made["id"]]


async def test_one_seed_gives_the_same_replies_and_another_one_other_ids() -> None:
    async def play(seed: int) -> list[str]:
        async with Sandbox(seed=seed, start=1_800_000_000) as sandbox, sandbox.client() as client:
            return [(await client.post("/v1/customers", content=f"name={n}")).text for n in range(3)]

    assert await play(1) == await play(1)
    assert await play(1) != await play(2)


def test_a_test_without_an_event_loop_has_it_on_a_port_and_with_the_sdk() -> None:
    with ServedSandbox() as sandbox:
        client = stripe.StripeClient(sandbox.api_key, base_addresses={"api": sandbox.url})
        made = client.v1.customers.create({"email": "alice@example.com"})
        assert client.v1.customers.retrieve(made.id).email == "alice@example.com"
        with pytest.raises(httpx.HTTPStatusError):
            sandbox.control("/nothing/here")
    with pytest.raises(httpx.ConnectError):
        httpx.get(sandbox.url)


def test_what_keeps_it_from_starting_is_raised(tmp_path: Path) -> None:
    no_database = tmp_path / "sandbox.db"
    no_database.write_text("not a database, but long enough to be taken for one" * 100)
    with pytest.raises(UnusableFile, match=r"sandbox\.db is not a sandbox's database"), ServedSandbox(path=no_database):
        pass


async def test_a_file_is_one_sandboxs_at_a_time(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.db"
    async with Sandbox(path=path) as first, first.client() as client:
        with pytest.raises(UnusableFile, match=r"sandbox\.db is in use"):
            Sandbox(path=path)
        assert (await client.post("/v1/customers")).status_code == 200
    async with Sandbox(path=path) as second, second.client() as client:
        assert len((await client.get("/v1/customers")).json()["data"]) == 1


def test_another_programs_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE objects (id TEXT)")
    before = path.read_bytes()
    with pytest.raises(UnusableFile, match=r"other\.db is not a sandbox's database"):
        Sandbox(path=path)
    assert path.read_bytes() == before


def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnusableFile, match=r"sandbox\.db cannot be used"):
        Sandbox(path=tmp_path / "missing" / "sandbox.db")


async def test_a_file_of_an_earlier_version_is_found_by_what_is_looked_up_now(tmp_path: Path) -> None:
    path = tmp_path / "sandbox.db"
    async with Sandbox(path=path) as first, first.client() as client:
        await client.post("/v1/customers", content="email=alice%40example.com")
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("DELETE FROM links")
        file.execute("DELETE FROM notes WHERE name = 'linked'")
    async with Sandbox(path=path) as second, second.client() as client:
        found = await client.get("/v1/customers", params={"email": "alice@example.com"})
        assert len(found.json()["data"]) == 1


async def test_the_sdk_speaks_to_it_without_a_socket(sandbox: Sandbox) -> None:
    client = stripe_client(sandbox)
    made = await client.v1.customers.create_async({"email": "alice@example.com"})
    with pytest.raises(stripe.InvalidRequestError) as raised:
        await client.v1.customers.retrieve_async(made.id + "x")
    assert (raised.value.code, raised.value.param) == ("resource_missing", "id")


@pytest.mark.slow
async def test_the_command_serves_until_it_is_told_to_stop(
    spawn_tollhouse: Callable[..., Process], tmp_path: Path
) -> None:
    file = tmp_path / "sandbox.db"
    process = await spawn_tollhouse("sandbox", "--port", "{port}", "--data", str(file), env={}).answers("/v1/customers")
    assert (await get(f"{process.url}/v1/customers", headers=KEY)).json()["data"] == []
    assert (await get(f"{process.url}/v1/customers")).status_code == 401
    assert process.url in process.text()
    assert process.stop() == 0
    assert file.exists()


@pytest.mark.slow
async def test_a_command_on_a_taken_port_says_so(spawn_tollhouse: Callable[..., Process]) -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        process = spawn_tollhouse("sandbox", "--port", str(port), env={})
        assert await process.ended() == 1
        assert f"Port {port} is taken" in process.text()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["sandbox", "dev"])
async def test_a_command_on_a_file_in_use_says_so_in_one_line(
    spawn_tollhouse: Callable[..., Process], tmp_path: Path, command: str
) -> None:
    path = tmp_path / "sandbox.db"
    async with Sandbox(path=path):
        data = path if command == "sandbox" else tmp_path
        process = spawn_tollhouse(command, "--port", "{port}", "--data", str(data), env={})
        assert await process.ended() == 1
    assert process.text().strip().splitlines() == [f"{path} is in use: another sandbox has it open."]


@pytest.mark.slow
async def test_dev_has_it_on_the_next_port_and_refuses_when_that_is_taken(
    spawn_tollhouse: Callable[..., Process], tmp_path: Path
) -> None:
    dev = await spawn_tollhouse("dev", "--port", "{port}", env={}).answers()
    url = f"http://{HOST}:{dev.port + 1}"
    assert (await get(f"{url}/v1/customers", headers=KEY)).status_code == 200
    assert url in dev.text()
    other = tmp_path / "other"
    second = spawn_tollhouse("dev", "--port", str(dev.port - 1), "--data", str(other), env={})
    assert await second.ended() == 1
    assert f"Port {dev.port} is taken" in second.text()
    assert not other.exists(), "nothing was begun"
