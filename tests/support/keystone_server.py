"""Serve Keystone's own WSGI application on 127.0.0.1: `python -m tests.support.keystone_server PORT CONFIGURATION [COMMAND…]`.

Each COMMAND is one of keystone-manage's, run before. They are run in forks of this process, because importing Keystone takes
longer than what they do, and because it can be configured only once in a process.
"""

from __future__ import annotations

import os
import sys
from typing import Sequence


def main() -> None:
    """Run the commands; serve until the process ends. Exits with 1 where a command fails."""
    port, configuration, *commands = sys.argv[1:]
    # Keystone reads its command line when its application is imported, and would take ours for its own.
    sys.argv[:] = ["keystone"]
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = configuration
    for command in commands:
        manage(["keystone-manage", "--config-file", configuration, *command.split()])
    import waitress
    from keystone.wsgi.api import application

    waitress.serve(application, host="127.0.0.1", port=int(port), threads=8)


def manage(argv: Sequence[str]) -> None:
    """Run a command of keystone-manage in a fork; exit where it fails."""
    from keystone.cmd import cli

    child = os.fork()
    if child == 0:
        cli.main(argv=list(argv))
        sys.stdout.flush()
        os._exit(0)  # an exception has ended it with another status
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        sys.exit(f"{' '.join(argv)} failed")


if __name__ == "__main__":
    main()
