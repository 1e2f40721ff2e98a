"""A virtual machine under QEMU: booted from an image, used over ssh, ended."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from tests.pace import SLOWNESS
from tests.vm.image import Image, copy_clone, run
from tests.vm.report import Unusable

MEMORY_MIB, CPUS = 2048, 2
_BOOT_SECONDS = 300 * SLOWNESS
"""It takes 20 s in software emulation; only what hangs takes that long."""

_LAST_LINES = 30
_SSH_FAILED = 255
_TRIAL_SECONDS = 3 * SLOWNESS
_DEBUG_EXIT_PORT = 0xF4
_TRIAL = bytes.fromhex(
    "66b900e1f505"  # mov ecx, 100000000
    "6649"  # dec ecx, and again until it is 0
    "75fc"  # jnz
    "b010"  # mov al, 16
    "e6f4"  # out 0xf4, al: ends QEMU with exit code 2 * 16 + 1
    "f4"  # hlt
)


def accelerator() -> str:
    """`kvm` where it really works: a /dev/kvm can be there and hang, abort or crawl."""
    with tempfile.NamedTemporaryFile(suffix=".img") as disk:
        disk.write(_TRIAL.ljust(510, b"\0") + b"\x55\xaa")
        disk.flush()
        command = [
            *("qemu-system-x86_64", *_processor("kvm"), "-nodefaults", "-display", "none"),
            *("-drive", f"file={disk.name},format=raw"),
            *("-device", f"isa-debug-exit,iobase={_DEBUG_EXIT_PORT:#x},iosize=1"),
        ]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_TRIAL_SECONDS)
        except subprocess.TimeoutExpired:
            return "tcg"
    return "kvm" if done.returncode == 33 else "tcg"


def _processor(accelerator: str) -> list[str]:
    if accelerator == "kvm":
        return ["-accel", "kvm", "-cpu", "host", "-smp", str(CPUS)]
    return ["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", str(CPUS)]


class Guest:
    """A running machine, for the length of a `with` block."""

    def __init__(self, image: Image, disk: Path, accelerator: str, console: Path) -> None:
        self._image = image
        self._disk = disk
        self._accelerator = accelerator
        self._console = console
        self._port = _free_port()

    def __enter__(self) -> Guest:
        self._qemu = subprocess.Popen(self._command(), stderr=subprocess.PIPE, text=True)
        try:
            self._await_login()
        except BaseException:
            self._qemu.kill()
            self._qemu.wait()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._ssh("sudo systemctl poweroff")
                self._qemu.wait(_BOOT_SECONDS)
        finally:
            self._qemu.kill()
            self._qemu.wait()

    def run(self, command: str, log: IO[str] | None = None, seconds: float | None = None) -> int:
        """Run a shell command as user `vagrant`; its exit code. What it prints goes to `log`.

        Raises Unusable with the end of the console if the guest answers no more, or the time is over.
        """
        try:
            code = self._ssh(
                command, stdout=log, stderr=subprocess.STDOUT, timeout=seconds
            ).returncode
        except subprocess.TimeoutExpired as error:
            raise self._stands_still(f"`{command}` has not ended in {seconds:.0f} s") from error
        if code == _SSH_FAILED:
            raise self._stands_still("the guest answers no more")
        return code

    def ask(self, command: str) -> str:
        """What a command prints. Raises Unusable if it fails."""
        done = self._ssh(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        if done.returncode == _SSH_FAILED:
            raise self._stands_still("the guest answers no more")
        if done.returncode != 0:
            raise Unusable(f"`{command}` in the guest: {done.stderr.strip()}")
        return done.stdout

    def _stands_still(self, what: str) -> Unusable:
        """With what a kernel says that is stuck: "soft lockup", or the place of its fault."""
        lines = self._console.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        return Unusable("\n    ".join([f"{what}; its console ended with", *lines]))

    def put_clone(self, folder: str) -> None:
        """Make a folder of the guest equal to this tree, without what git ignores."""
        copy_clone(f"vagrant@127.0.0.1:{folder}/", "-e", self._shell())

    def get(self, folder: str, target: Path) -> None:
        """Copy a folder of the guest into one of ours."""
        source = f"vagrant@127.0.0.1:{folder}/"
        run("rsync", "--recursive", "-e", self._shell(), source, f"{target}/")

    def _shell(self) -> str:
        """For rsync: ssh without the host."""
        return " ".join(self._ssh_words()[:-1])

    def _ssh(self, command: str, **options) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self._ssh_words(), command], stdin=subprocess.DEVNULL, text=True, **options
        )

    def _ssh_words(self) -> list[str]:
        options = {
            "StrictHostKeyChecking": "no",  # A machine on loopback that was made just now.
            "UserKnownHostsFile": "/dev/null",
            "LogLevel": "ERROR",
            "BatchMode": "yes",
            "IdentitiesOnly": "yes",
            "ConnectTimeout": "20",
            # ssh ends if nothing has answered for five minutes, which a slow guest does, and one that
            # stands still does not.
            "ServerAliveInterval": "30",
            "ServerAliveCountMax": "10",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        port, key = str(self._port), str(self._image.private_key)
        return ["ssh", "-F", "none", "-p", port, "-i", key, *words, "vagrant@127.0.0.1"]

    def _command(self) -> list[str]:
        forward = f"hostfwd=tcp:127.0.0.1:{self._port}-:22"
        return [
            *("setpriv", "--pdeathsig", "KILL"),  # Or `kill -9` of ours would leave it running.
            *("qemu-system-x86_64", *_processor(self._accelerator), "-m", str(MEMORY_MIB)),
            *("-nodefaults", "-display", "none", "-no-reboot", "-serial", f"file:{self._console}"),
            *("-kernel", str(self._image.kernel), "-initrd", str(self._image.initrd)),
            *("-append", "root=LABEL=netlab rw console=ttyS0 net.ifnames=0"),
            *("-drive", f"file={self._disk},format=qcow2,if=virtio,cache=unsafe"),
            *("-nic", f"user,model=virtio-net-pci,{forward}", "-device", "virtio-rng-pci"),
        ]

    def _await_login(self) -> None:
        deadline = time.monotonic() + _BOOT_SECONDS
        while self._ssh("true", stderr=subprocess.DEVNULL, timeout=_BOOT_SECONDS).returncode != 0:
            if self._qemu.poll() is not None:
                assert self._qemu.stderr is not None
                raise Unusable(f"QEMU ended: {self._qemu.stderr.read().strip()}")
            if time.monotonic() > deadline:
                raise self._stands_still(f"no login after {_BOOT_SECONDS:.0f} s")
            time.sleep(0.5)


def overlay(backing: Path, disk: Path) -> None:
    """A disk that holds what differs from another one, which stays as it is."""
    kind = "raw" if backing.suffix == ".raw" else "qcow2"
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-F", kind, "-b", backing, disk]
    subprocess.run(command, check=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]
