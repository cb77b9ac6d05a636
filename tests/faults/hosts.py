"""Machines of their own on this one: each has its network, its processes, numbered from one, and its host name."""

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.faults.conftest import PATIENCE

HUB = "10.77.{}.1"
"""The address of the hub, where servers run, as the machine of a number reaches it."""
_INSIDE = ("--net", "--uts", "--pid", "--mount")


def may_have_hosts() -> bool:
    """Whether machines of their own can be made: by root, with the programs unshare, nsenter and ip."""
    try:
        made = subprocess.run(
            ["unshare", *_INSIDE, "--fork", "--mount-proc", "ip", "link"], capture_output=True, check=False
        )
    except OSError:
        return False
    return made.returncode == 0


@dataclass(frozen=True)
class Host:
    """A machine.

    Attributes
    ----------
    name : str
        Its host name.
    first : int
        Its first process, by its number outside.
    folder : Path
        Where its commands run.
    cable : str
        The hub's end of what connects it.
    """

    name: str
    first: int
    folder: Path
    cable: str

    def start(self, command: list[str | Path], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
        """Start a command on it; what is started is the door, whose only child is the command."""
        inside = ["nsenter", "--target", str(self.first), *_INSIDE, "--wd=/", "sh", "-c", 'cd "$0" && exec "$@"']
        return subprocess.Popen(
            [*inside, self.folder, *command],
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, command: list[str | Path], environment: Mapping[str, str]) -> tuple[int, str]:
        """Run a command on it to its end; return its exit code and what it printed, as one line."""
        with self.start(command, environment) as door:
            printed, _ = door.communicate(timeout=PATIENCE)
        return door.returncode, " ".join(printed.split())

    def occupy(self, number: int) -> "subprocess.Popen[str]":
        """Start a process there that has a number, and stays until its input ends."""
        script = f"exec 3<&0; echo {number - 1} > /proc/sys/kernel/ns_last_pid; cat <&3 & echo $!; wait"
        door = self.start(["sh", "-c", script], os.environ)
        assert door.stdout is not None
        assert door.stdout.readline() == f"{number}\n", "the number is taken"
        return door


def children(process: int) -> list[int]:
    """Return the numbers of a process's children."""
    return [int(each) for each in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@dataclass(frozen=True)
class Network:
    """Machines that are joined to a hub.

    Attributes
    ----------
    hub : int
        A process there.
    hosts : tuple of Host
        The machines, numbered from one.
    """

    hub: int
    hosts: tuple[Host, ...]

    @property
    def at_hub(self) -> list[str | Path]:
        """What stands before a command that is to run at the hub."""
        return ["nsenter", "--target", str(self.hub), "--net"]

    def cut(self, host: Host) -> None:
        """Cut a machine off."""
        subprocess.run([*self.at_hub, "ip", "link", "set", host.cable, "down"], check=True)


@contextmanager
def network(folder: Path, *names: str) -> Iterator[Network]:
    """Make a hub and machines of these names; all their processes end with the block."""
    with ExitStack() as stack:
        hub = stack.enter_context(_staying(["unshare", "--net"]))
        at_hub = ["nsenter", "--target", str(hub), "--net"]
        subprocess.run([*at_hub, "ip", "link", "set", "lo", "up"], check=True)
        hosts = []
        for number, name in enumerate(names, 1):
            door = stack.enter_context(_staying(["unshare", *_INSIDE, "--fork", "--mount-proc", "--kill-child"], name))
            host = Host(name, children(door)[0], folder / name, f"host{number}")
            host.folder.mkdir()
            of_host = ["peer", "name", "eth0", "netns", str(host.first)]
            subprocess.run([*at_hub, "ip", "link", "add", host.cable, "type", "veth", *of_host], check=True)
            at_host = ["nsenter", "--target", str(host.first), "--net"]
            for place, link, end in ((at_hub, host.cable, 1), (at_host, "eth0", 2)):
                address = f"{HUB.format(number).removesuffix('.1')}.{end}/24"
                subprocess.run([*place, "ip", "address", "add", address, "dev", link], check=True)
                subprocess.run([*place, "ip", "link", "set", link, "up"], check=True)
            subprocess.run([*at_host, "ip", "link", "set", "lo", "up"], check=True)
            hosts.append(host)
        yield Network(hub, tuple(hosts))


@contextmanager
def _staying(made_by: list[str], name: str = "") -> Iterator[int]:
    """Keep a process in namespaces of its own until the block ends; gives what made them."""
    script = f"{f'hostname {name}; ' if name else ''}echo here; exec cat"
    process = subprocess.Popen([*made_by, "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n", "no namespaces can be made"
        yield process.pid
    finally:
        process.kill()
        process.wait()


def wait_for_line(door: "subprocess.Popen[str]", line: str) -> str:
    """Read what a command prints until a line; return all of it."""
    assert door.stdout is not None
    printed = ""
    for each in door.stdout:
        printed += each
        if each == f"{line}\n":
            return printed
    raise AssertionError(f"it ended without {line}: {printed}")
