"""What every test may ask for: databases of both kinds, servers, seeds, a browser."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.support.databases import BACKENDS, Backend, PostgresDatabases, SqliteDatabases
from tests.support.measuring import is_measured, measuring_paused
from tests.support.postgres import PostgresEndpoint, PostgresServer
from tests.support.processes import Process, spawn
from tests.support.testdata import TESTDATA, TESTS, find_modules_without_data
from tests.support.valkey import ValkeyServer
from tools.find_chromium import find_chromium

SEEDS = range(int(os.environ.get("TOLLHOUSE_TEST_SEEDS") or 3))
DEEP = len(SEEDS) > 3

SHARED_SERVER = pytest.StashKey[PostgresServer]()
WITHOUT_DATA = pytest.StashKey[list[Path]]()

hypothesis.settings.register_profile("usual", deadline=None)
hypothesis.settings.register_profile("deep", deadline=None, max_examples=2000)
hypothesis.settings.load_profile("deep" if DEEP else "usual")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--stripe",
        choices=("sandbox", "real"),
        default="sandbox",
        help="what tests of Stripe's SDK speak to; `real` takes the test key in STRIPE_API_KEY, and needs the internet",
    )


def pytest_configure(config: pytest.Config) -> None:
    if find_spec("sniffio") is None:
        # httpx tries to import it with each request to an application: so it need not search the disk each time.
        sys.modules["sniffio"] = None  # pyright: ignore[reportArgumentType]
    config.stash[WITHOUT_DATA] = find_modules_without_data()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """One server for all workers of a parallel run, started by the process that outlives them."""
    stash = node.config.stash
    if SHARED_SERVER not in stash:
        stash[SHARED_SERVER] = PostgresServer().start()
    node.workerinput["postgres_port"] = stash[SHARED_SERVER].port


def pytest_collection(session: pytest.Session) -> None:
    gc.disable()  # nothing of what is imported now is garbage


def pytest_collection_finish(session: pytest.Session) -> None:
    """A tenth of the time would go into looking through all modules for garbage, again and again."""
    gc.freeze()
    gc.enable()


def pytest_unconfigure(config: pytest.Config) -> None:
    if SHARED_SERVER in config.stash:
        config.stash[SHARED_SERVER].remove()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    return True if collection_path in config.stash[WITHOUT_DATA] else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for path in config.stash[WITHOUT_DATA]:
        terminalreporter.write_line(f"not collected: {path.relative_to(TESTS.parent)} (no test data at {TESTDATA})")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    with nullcontext() if is_measured(item) else measuring_paused():
        return (yield)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that takes `seed` runs once for each: 3 times, or TOLLHOUSE_TEST_SEEDS times."""
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", SEEDS)


@pytest.fixture(scope="session")
def seeds() -> range:
    """The seeds of this run, for a test that loops over them itself."""
    return SEEDS


@pytest.fixture(scope="session")
def worker(request: pytest.FixtureRequest) -> str:
    """The name of this process among the parallel ones."""
    return getattr(request.config, "workerinput", {}).get("workerid", "main")


@pytest.fixture(scope="session")
def postgres_server(request: pytest.FixtureRequest) -> Iterator[PostgresEndpoint]:
    """The PostgreSQL of this run, shared with every worker: never stop it, take `private_postgres` for that."""
    port = getattr(request.config, "workerinput", {}).get("postgres_port")
    if port is not None:
        yield PostgresEndpoint(port)
        return
    with PostgresServer() as server:
        yield server.endpoint


@pytest.fixture
def private_postgres() -> Iterator[Callable[..., PostgresServer]]:
    """Makes a started PostgreSQL of the test's own, to stop and kill; takes what `PostgresServer` takes."""
    servers: list[PostgresServer] = []

    def make(**options: Any) -> PostgresServer:
        servers.append(PostgresServer(**options))
        return servers[-1].start()

    yield make
    for server in servers:
        server.remove()


@pytest.fixture(scope="session")
def valkey_server() -> Iterator[ValkeyServer]:
    """A Valkey of this process's own."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture(scope="session")
def sqlite_databases(tmp_path_factory: pytest.TempPathFactory) -> SqliteDatabases:
    """Where SQLite databases come from."""
    return SqliteDatabases(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgres_databases(postgres_server: PostgresEndpoint, worker: str) -> PostgresDatabases:
    """Where PostgreSQL databases come from."""
    return PostgresDatabases(postgres_server, worker=worker)


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Which database the test runs on; whoever takes a database runs once on each."""
    return request.param


@pytest.fixture
def databases(request: pytest.FixtureRequest, backend: Backend) -> SqliteDatabases | PostgresDatabases:
    """Where databases of the test's kind come from; PostgreSQL starts only for a test that runs on it."""
    return request.getfixturevalue(f"{backend}_databases")


@pytest.fixture
async def database_url(databases: SqliteDatabases | PostgresDatabases, tmp_path: Path) -> AsyncIterator[str]:
    """The address of an empty database, gone after the test; once for each kind."""
    async with databases.fresh(tmp_path) as url:
        yield url


@pytest.fixture
async def migrated_database_url(databases: SqliteDatabases | PostgresDatabases, tmp_path: Path) -> AsyncIterator[str]:
    """The address of a database at the newest migration, gone after the test; once for each kind."""
    async with databases.migrated(tmp_path) as url:
        yield url


@pytest.fixture
def testdata() -> Path:
    """The folder of the shared test data; without it the test is skipped."""
    if not TESTDATA.is_dir():
        pytest.skip(f"no test data at {TESTDATA}")
    return TESTDATA


@pytest.fixture
def tollhouse_command() -> list[str] | None:
    """What `spawn_tollhouse` executes; None has it fork, from a process that has everything loaded."""
    return None


@pytest.fixture
def spawn_tollhouse(tmp_path: Path, tollhouse_command: list[str] | None) -> Iterator[Callable[..., Process]]:
    """Starts `tollhouse …` as its own process: takes arguments and settings as `spawn` does; all stopped at the end."""
    processes: list[Process] = []

    def start(*argv: str, env: dict[str, str], port: int | None = None) -> Process:
        processes.append(spawn(argv, env, folder=tmp_path, port=port, command=tollhouse_command))
        return processes[-1]

    yield start
    for process in processes:
        process.stop()


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The browser to drive; start it with `--no-sandbox` where the tests run as root."""
    path = find_chromium()
    if path is None:
        pytest.skip("no Chromium here: `make setup` installs one, or says why it cannot")
    return path
