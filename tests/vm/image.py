"""A Debian machine out of Debian's packages, without a download of any image; kept for the next time."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.vm.report import ROOT, Unusable

CACHE = Path("/var/cache/netlab")
SUITES = {"bookworm": "Debian 12", "trixie": "Debian 13"}

_ROOT_SCRIPT = Path(__file__).with_name("root.sh")
_REGISTRIES_SCRIPT = Path(__file__).with_name("registries.sh")
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
    scripts = (_ROOT_SCRIPT.read_text(), _REGISTRIES_SCRIPT.read_text())
    recipe = (suite, _PACKAGES, _DISK_BYTES, scripts)
    folder, reused = kept(suite, recipe, lambda folder: _build(suite, Image(folder)))
    return Image(folder), reused


@contextmanager
def scratch(kind: str) -> Iterator[Path]:
    """An empty folder of the cache for the length of a block. Raises Unusable if there is such a one."""
    folder = CACHE / f"{kind}-scratch"
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{kind}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Unusable(f"{folder} is in use: the same runs already") from error
        shutil.rmtree(folder, ignore_errors=True)  # One that was killed has left it.
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder)


def minimal_root(suite: str) -> tuple[Path, bool]:
    """The root folder of a Debian with what every Debian has and no more, and whether it was there."""
    folder, reused = kept(f"minimal-{suite}", suite, lambda folder: _debian(suite, folder / "root"))
    return folder / "root", reused


def reach_registries(root: Path) -> None:
    """Let what runs in a root folder get to the package indexes as this machine does."""
    run(_REGISTRIES_SCRIPT, root)


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
    with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        root = Path(scratch) / "root"
        public_key = image.private_key.with_suffix(".pub")
        # As a hook, with /proc mounted, which systemctl asks for.
        script = f'--customize-hook="{_ROOT_SCRIPT}" "$1" "{public_key}"'
        _debian(suite, root, f"--include={','.join(_PACKAGES)}", script)
        reach_registries(root)
        (kernel,) = (root / "boot").glob("vmlinuz-*")
        (initrd,) = (root / "boot").glob("initrd.img-*")
        shutil.copyfile(kernel, image.kernel)
        shutil.copyfile(initrd, image.initrd)
        with image.disk.open("wb") as file:
            file.truncate(_DISK_BYTES)
        run("mkfs.ext4", "-q", "-L", "netlab", "-d", root, image.disk)


def copy_clone(target: str, *options: str) -> None:
    """Make a folder equal to this tree, without what git ignores; `options` are rsync's."""
    run(
        *("rsync", "--recursive", "--links", "--perms", "--times", "--delete", *options),
        *("--exclude=/.git", "--filter=:- .gitignore", f"{ROOT}/", target),
    )


def _debian(suite: str, root: Path, *more: str) -> None:
    """Make the root folder of a minimal Debian; `more` are words for mmdebstrap."""
    run("mmdebstrap", "--quiet", "--variant=minbase", *more, suite, root)


def run(*command: str | Path, **options) -> None:
    """A command that must succeed. Its output goes to ours."""
    subprocess.run(command, check=True, **options)
