"""What README tells to type after `make up`, typed where nothing but `make up` has been done.

.venv/bin/python -m tests.vm.readme         as root, where there may be no sudo
.venv/bin/python -m tests.vm.readme sudo    as a user with sudo
"""

from __future__ import annotations

import subprocess
import sys

from tests.documents import README, is_as_promised, steps


def main() -> None:
    wrong = []
    for step in steps(README):
        typed, promised = (text if sys.argv[1:] else text.replace("sudo ", "") for text in step)
        print(f"$ {typed}", flush=True)
        done = subprocess.run(
            typed, shell=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        if not is_as_promised(done.stdout, promised):
            wrong.append(f"    $ {typed}")
            print(f"{done.stdout}README promises:\n{promised}")
    sys.exit("\n".join(["print something else than README says:", *wrong]) if wrong else 0)


if __name__ == "__main__":
    main()
