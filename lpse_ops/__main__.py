"""Entry point of the ``lpse-ops`` command and of ``python -m lpse_ops``."""

import sys


def main() -> None:
    """Run the command line with this process's arguments and exit with its code."""
    from lpse_ops.cli.output import run_cli

    sys.exit(run_cli(sys.argv[1:]))


if __name__ == "__main__":
    main()
