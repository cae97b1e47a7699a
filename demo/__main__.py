"""The demonstration from the command line: ``python -m demo``."""

import argparse
import signal
import sys
import time
from pathlib import Path

from demo.processes import ProcessError
from demo.story import tell


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--storage", type=Path, default=Path(".housing/demo"), help="made anew; what is there is removed"
    )
    storage = parser.parse_args().storage.absolute()
    for each in (signal.SIGINT, signal.SIGTERM):  # also where whoever started it had them ignored
        signal.signal(each, signal.default_int_handler)
    began = time.monotonic()

    def say(line: str) -> None:
        minutes, seconds = divmod(int(time.monotonic() - began), 60)
        print(f"{minutes}:{seconds:02d}  {line}", flush=True)

    print(f"Everything is synthetic, lies in {storage}, and ends with this command.\n", flush=True)
    try:
        tell(storage, say)
    except ProcessError as fault:
        print(f"\n{fault}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped; no process is left behind", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
