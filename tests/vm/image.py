"""A Debian machine out of Debian's packages, without a download of any image; kept for the next time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

CACHE = Path("/var/cache/netlab")
SUITES = {"bookworm": "Debian 12", "trixie": "Debian 13"}

_ROOT_SCRIPT = Path(__file__).with_name("root.sh")
_DISK_BYTES = 6 << 30  # A sparse file: what is not used takes no room.
_PACKAGES = (
    *("linux-image-cloud-amd64", "systemd-sysv", "systemd-resolved", "udev", "dbus"),
    *("openssh-server", "sudo", "rsync", "ca-certificates", "make"),
    # Python takes minutes to install in an emulated machine. The lab's own packages are
    # left out on purpose: that `make setup` installs them is part of the test.
    *("python3", "python3-venv"),
)


@dataclass(frozen=True)
class Image:
    """Files of a machine that QEMU boots."""

    folder: Path

    @property
    def disk(self) -> Path:
        """Raw, without partitions; its file system has the label `netlab`."""
        return self.folder / "disk.raw"

    @property
    def kernel(self) -> Path:
        """For QEMU's -kernel."""
        return self.folder / "vmlinuz"

    @property
    def initrd(self) -> Path:
        """For QEMU's -initrd."""
        return self.folder / "initrd"

    @property
    def private_key(self) -> Path:
        """Lets user `vagrant` in."""
        return self.folder / "key"


def image(suite: str) -> tuple[Image, bool]:
    """The image of a Debian release, and whether it was there. Raises CalledProcessError."""
    recipe = (suite, _PACKAGES, _DISK_BYTES, _ROOT_SCRIPT.read_text())
    folder, reused = kept(suite, recipe, lambda folder: _build(suite, Image(folder)))
    return Image(folder), reused


def kept(kind: str, recipe: object, build: Callable[[Path], None]) -> tuple[Path, bool]:
    """A folder of the cache made by `build`, and whether it was there: made once for each recipe.

    What an older recipe of the same kind has made is deleted.
    """
    digest = hashlib.sha256(repr(recipe).encode()).hexdigest()[:12]
    folder = CACHE / f"{kind}-{digest}"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{kind}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.is_dir():
            return folder, True
        for outdated in CACHE.glob(f"{kind}-*"):
            shutil.rmtree(outdated)
        unfinished = CACHE / f"{kind}-unfinished"
        unfinished.mkdir()
        build(unfinished)
        unfinished.rename(folder)
    return folder, False


def _build(suite: str, image: Image) -> None:
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", image.private_key)
    with root_file_system(suite, image.private_key.with_suffix(".pub")) as root:
        (kernel,) = (root / "boot").glob("vmlinuz-*")
        (initrd,) = (root / "boot").glob("initrd.img-*")
        shutil.copyfile(kernel, image.kernel)
        shutil.copyfile(initrd, image.initrd)
        with image.disk.open("wb") as file:
            file.truncate(_DISK_BYTES)
        run("mkfs.ext4", "-q", "-L", "netlab", "-d", root, image.disk)


@contextmanager
def root_file_system(suite: str, public_key: Path, *more: str) -> Iterator[Path]:
    """The root folder of the machine, with `more` packages, for the length of a block."""
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        root = Path(folder) / "root"
        packages = ",".join((*_PACKAGES, *more))
        run(
            *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}"),
            *(f"--customize-hook={_ROOT_SCRIPT}", suite, root),
            env={**os.environ, "PUBLIC_KEY": str(public_key)},
        )
        yield root


def run(*command: str | Path, **options) -> None:
    """A command that must succeed. Its output goes to ours."""
    subprocess.run(command, check=True, **options)
