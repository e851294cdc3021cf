"""What of S3 a test has shown to work: the operations it called with success, and their parameters.

Only calls through botocore count. Its hooks see every client of every session, whoever made it.
"""

import re

from botocore.handlers import BUILTIN_HANDLERS

# A condition has worked when it kept an answer back, too.
CONDITION = re.compile("If(None)?Match|If(Un)?ModifiedSince")
CONDITION_STATUSES = (304, 412)
# What can't be configured is rightly said not to be there.
NEVER_THERE = ("NoSuchConfiguration", "ReplicationConfigurationNotFoundError")
SENT = "riquet_sent"


class Recorder:
    """Listens to all sessions that are made from now on."""

    def __init__(self):
        self.shown = {}
        BUILTIN_HANDLERS.append(("before-parameter-build.s3", self.note_sent))
        BUILTIN_HANDLERS.append(("after-call.s3", self.note_answer))

    def take(self):
        """The sorted parameters of each operation shown since the last time."""
        taken, self.shown = self.shown, {}
        return {operation: sorted(names) for operation, names in sorted(taken.items())}

    def note_sent(self, params, context, **_):
        # The last of boto3's own hooks: what those before added (an MD5 of a key) is sent, too.
        context[SENT] = frozenset(params)

    def note_answer(self, http_response, parsed, model, context, **_):
        sent, status = context.get(SENT, frozenset()), http_response.status_code
        if status in CONDITION_STATUSES:
            sent = {name for name in sent if CONDITION.search(name)}
            if not sent:
                return
        elif status >= 300 and parsed.get("Error", {}).get("Code") not in NEVER_THERE:
            return
        self.shown.setdefault(model.name, set()).update(sent)
