"""The Vagrantfile as a user meets it: up, ssh, provision again, destroy; with a box made here.

    make vagrant-test

The box has the public name, so the Vagrantfile is the shipped one. libvirt runs in namespaces of its
own, and the machine is afterwards as it was, which is checked. Logs: vm-results/vagrant/.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.vm.guest import accelerator
from tests.vm.image import CACHE, Image, image, kept, run
from tests.vm.namespaces import own_namespaces, unchanged_machine
from tests.vm.report import ROOT, conclude, row, step

BOX_NAME = "debian/bookworm64"
BOX_VAGRANTFILE = """\
Vagrant.configure("2") do |config|
  config.ssh.private_key_path = File.expand_path("key", __dir__)
  config.vm.boot_timeout = 900
  config.vm.provider("libvirt") do |v|
    v.driver = "%s"
    v.graphics_type = "none"
    v.kernel = File.expand_path("vmlinuz", __dir__)
    v.initrd = File.expand_path("initrd", __dir__)
    v.cmd_line = "root=LABEL=netlab rw console=ttyS0 net.ifnames=0"
  end
end
"""
STEPS = {
    "box-add": "vagrant box add catalog.json",
    "vagrant-up": "vagrant up",
    "netlab-up": "vagrant ssh -c 'sudo netlab up nat && sudo netlab verify && sudo netlab down'",
    "make-up": "vagrant ssh -c 'cd /vagrant && make up && make down'",
    "unit-tests": "vagrant ssh -c 'cd /vagrant && make unit'",
    "second-provision": "vagrant provision && [ -z \"$(vagrant ssh -c 'make -s -C /vagrant setup')\" ]",
    "vagrant-destroy": "vagrant destroy --force",
}


def main() -> None:
    if sys.argv[1:]:
        sys.exit(_steps(Path(sys.argv[1]), Path(sys.argv[2])))
    conclude("vagrant", _test)


def _test(results: Path) -> list[str]:
    """Do everything; what failed. Raises Unusable if libvirt cannot be had."""
    driver = {"kvm": "kvm", "tcg": "qemu"}[accelerator()]
    print(f"Vagrant and libvirt, driver {driver}")
    with row("box") as words:
        file, reused = box(driver)
        words.append("reused" if reused else "made")
    failed: list[str] = []
    with unchanged_machine(failed), tempfile.TemporaryDirectory(dir=CACHE) as scratch:
        _write_catalog(file, Path(scratch))
        itself = (sys.executable, "-m", "tests.vm.vagrant", scratch, results)
        script = Path(__file__).with_suffix(".sh")
        with own_namespaces((script, scratch, *itself), results / "slirp4netns.log") as init:
            if init.wait() != 0:
                failed.append("a step")
    return failed


def box(driver: str) -> tuple[Path, bool]:
    """A box for vagrant-libvirt, and whether it was there already."""
    base, _ = image("bookworm")
    recipe = (base.folder.name, BOX_VAGRANTFILE)
    folder, reused = kept(f"box-{driver}", recipe, lambda folder: _make_box(folder, base, driver))
    return folder / "libvirt.box", reused


def _make_box(folder: Path, base: Image, driver: str) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        parts = Path(name)
        for file in (base.kernel, base.initrd, base.private_key):
            shutil.copy(file, parts)
        run("qemu-img", "convert", "-O", "qcow2", base.disk, parts / "box.img")
        gibibytes = base.disk.stat().st_size >> 30
        metadata = {"provider": "libvirt", "format": "qcow2", "virtual_size": gibibytes}
        (parts / "metadata.json").write_text(json.dumps(metadata))
        (parts / "Vagrantfile").write_text(BOX_VAGRANTFILE % driver)
        run("tar", "-C", parts, "-cf", folder / "libvirt.box", ".")


def _write_catalog(file: Path, folder: Path) -> None:
    """What lets a public name resolve to a local file."""
    with file.open("rb") as content:
        checksum = hashlib.file_digest(content, "sha256").hexdigest()
    provider = {"name": "libvirt", "url": f"file://{file}"}
    provider |= {"checksum_type": "sha256", "checksum": checksum}
    catalog = {"name": BOX_NAME, "versions": [{"version": "1.0.0", "providers": [provider]}]}
    (folder / "catalog.json").write_text(json.dumps(catalog))


def _steps(scratch: Path, results: Path) -> int:
    """All steps, also after one that fails; 1 if one did."""
    environment = {
        **os.environ,
        "VAGRANT_HOME": f"{scratch}/home",
        "VAGRANT_CWD": str(ROOT),
        "VAGRANT_DOTFILE_PATH": f"{scratch}/dotfile",
        "VAGRANT_DEFAULT_PROVIDER": "libvirt",
        "VAGRANT_CHECKPOINT_DISABLE": "1",
    }
    failed = False
    for name, command in STEPS.items():
        # A file and not a pipe: vagrant's background processes would hold the pipe open.
        failed |= not step(
            name,
            results,
            lambda log, command=command: subprocess.run(
                ["bash", "-c", command], cwd=scratch, env=environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            ).returncode,
        )  # fmt: skip
    return int(failed)


if __name__ == "__main__":
    main()
