"""A reader's machine, to walk the tutorial on: what its commands are, and what an output that it shows stands for."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

from tests.docs.documents import ROOT
from tests.support.children import free_port, free_port_before_another
from tests.support.nextjs import EXAMPLE, start_example
from tests.support.processes import Process, passed_on, spawn

TUTORIAL = ROOT / "docs" / "tutorial.md"
PIECE = re.compile(r"^```(\w+)\n(.*?)^```$|^\*\*In the browser:\*\* (.*?)\n\n", re.MULTILINE | re.DOTALL)
START = "../../.venv/bin/tollhouse dev -- npm run dev"
# What is done otherwise here: these make an environment, which there is, and install what the built example has.
MADE_ALREADY = ("make setup", "cd examples/nextjs", "npm ci", "source ../../.venv/bin/activate")
SHELL = ("mkdir ", "rmdir ", "sed ", "curl ")  # run as they stand
NOTE = "On the data of `tollhouse dev` in .tollhouse.\n"


def pattern_of(shown: str) -> str:
    """What an output that is shown stands for: `…` is a word or a part of one, and alone on its line any text."""
    pattern = r"\s*"
    for line in shown.splitlines():
        if line.strip() == "…":
            pattern += r"(?s:.*?)"
        else:
            pattern += "".join(re.escape(word).replace("…", r"\S+?") + r"\s+" for word in line.split())
    return pattern.removesuffix(r"\s+") + r"\s*"


def pieces(text: str) -> list[tuple[str, str]]:
    """The tutorial's blocks with their language, and its steps in the browser, in order."""
    found = PIECE.findall(text)
    assert text.count("```") == 2 * sum(1 for language, *_ in found if language), "a block without a language"
    assert text.count("In the browser:") == sum(1 for *_, step in found if step), "a step that is no paragraph"
    return [(language, block) if language else ("browser", " ".join(step.split())) for language, block, step in found]


class Walk:
    """A reader's machine: a folder for `examples/nextjs`, Tollhouse, the app, a browser, and what was printed."""

    def __init__(self, folder: Path, built: Path) -> None:
        self.folder, self._built = folder, built
        port, app_port = free_port_before_another(), free_port()
        self._ports = {"localhost:3000": f"localhost:{app_port}"}
        self._ports |= {"localhost:8000": f"localhost:{port}", "127.0.0.1:8001": f"127.0.0.1:{port + 1}"}
        self.port, self.app_port = port, app_port
        self.app_url = f"http://localhost:{app_port}"
        self.printed = list[str]()
        self._running = list[Process]()
        for name in ("tollhouse.toml", ".env.development"):
            (folder / name).write_text(self.localized((EXAMPLE / name).read_text()))

    def localized(self, text: str) -> str:
        """A text with this walk's ports in place of the usual ones."""
        for usual, here in self._ports.items():
            text = text.replace(usual, here)
        return text

    async def start(self) -> str:
        """Start Tollhouse and the app, for the first time or again; what Tollhouse printed."""
        self.stop()
        settings = {"TOLLHOUSE_APP_ORIGINS": self.app_url}
        toll = spawn(["dev", "--port", "{port}"], settings, folder=self.folder, port=self.port)
        self._running.append(toll)
        await toll.answers("/health/ready")
        files = [self.folder / name for name in (".env.development", ".env.development.local")]
        lines = [line for file in files if file.exists() for line in file.read_text().splitlines()]
        env = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        env["PAYMENTS_FILE"] = str(self.folder / env["PAYMENTS_FILE"])
        self._running.append(start_example(self._built, env, folder=self.folder, port=self.app_port))
        return toll.text()

    def stop(self) -> None:
        """End both, as Ctrl-C does."""
        for process in reversed(self._running):
            process.kill() if process.port == self.app_port else process.stop()  # it waits for idle connections
        self._running.clear()

    def find(self, prefix: str, which: str) -> str:
        """The id that a reader would put in: the first of the newest output with one, in a line with this word."""
        found = re.compile(rf"\b{prefix}_[\w/+=-]+")
        for output in reversed(self.printed):
            lines = [line for line in output.splitlines() if which in line]
            ids = found.findall("\n".join(lines))
            if ids:
                return ids[0]
        raise AssertionError(f"nothing that was printed has {prefix}_… {which}")

    def filled(self, text: str, which: str = "") -> str:
        """A text with ids in place of those that are left out."""
        return re.sub(r"\b(\w+)_…", lambda left_out: self.find(left_out[1], which), text)

    async def run(self, line: str) -> str:
        """What a command prints; one that is not known, or fails, fails the test."""
        if line in MADE_ALREADY:
            return ""
        if line == START:
            return await self.start()
        command, _, which = line.partition("  # ")
        command = self.filled(command, which)
        if command.startswith(SHELL):
            return self._run_by_shell(command)
        assert command.startswith("tollhouse "), f"neither run nor known: {line}"
        process = spawn(shlex.split(command)[1:], {}, folder=self.folder, port=1)
        code, output = await process.ended(), process.text()
        process.output.unlink()
        assert code == 0, f"{command}: {output}"
        return output

    def _run_by_shell(self, command: str) -> str:
        words = ["bash", "-c", command]
        ran = subprocess.run(words, cwd=self.folder, env=passed_on(), capture_output=True, text=True, check=False)
        assert ran.returncode == 0, f"{command}: {ran.stderr}"
        return ran.stdout
