"""Runs test functions on request: a JSON line in, a JSON line out, which tells the failure, and what
of S3 the function has shown to work.

What a test prints goes to standard error. Each test has a bounded time.
"""

import importlib
import json
import os
import signal
import sys
import traceback

from recorder import Recorder
from support import Tester

# The slowest test moves 64 MiB a few times; those of `large` move GiBs.
TIME_LIMIT_S = 1200 if os.environ.get("RIQUET_E2E_LARGE") == "1" else 150


def out_of_time(_signal, _frame):
    raise TimeoutError(f"the test was not done after {TIME_LIMIT_S} s")


def main():
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    signal.signal(signal.SIGALRM, out_of_time)
    recorder = Recorder()
    tester = Tester()
    for line in sys.stdin:
        question = json.loads(line)
        failure = None
        signal.alarm(TIME_LIMIT_S)
        try:
            module = importlib.import_module(question["module"])
            getattr(module, question["function"])(tester)
        except Exception:
            failure = traceback.format_exc()
        finally:
            signal.alarm(0)
        answers.write(json.dumps({"failure": failure, "shown": recorder.take()}) + "\n")


main()
