#!/usr/bin/python
# Apache-2.0, see LICENSE of Countersign

"""Sets variables in a .env file, atomically and with a way back."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: env_file
short_description: Set variables in a .env file, atomically and with a way back
version_added: 0.1.0
description:
  - Sets variables in a C(.env) file and leaves its other lines alone.
  - The file is written beside the old one, flushed to disk and renamed, so that a reader finds the old file or the new
    one and never a part. It is never readable by more than its mode says, not even for a moment.
  - What was there before is kept in a backup that only its owner can read. C(state=restored) brings it back.
options:
  state:
    description:
      - C(present) sets the variables.
      - C(restored) puts back every file that the run C(backup.run), or without one the newest run, has changed. A file
        that the run has created is removed. Restoring twice changes nothing the second time.
    type: str
    choices: [present, restored]
    default: present
  path:
    description: The file. A missing folder is created with mode 0755, for root. Needed for C(state=present).
    type: path
  variables:
    description: Variables that are no secret.
    type: dict
    default: {}
  secrets:
    description: Variables that are, as text and not empty; their values appear in no output.
    type: dict
    default: {}
  previous:
    description:
      - Where the file's former content goes when a secret of it is replaced, so that whoever accepts keys from a folder
        of such files accepts the former one as well.
      - Refused while it holds a third key, which somebody may still be using.
    type: path
  mode:
    description: The file's permissions.
    type: str
    default: "0600"
  owner:
    description: The file's owner, a name or a number. Without it, whose it is already.
    type: str
  group:
    description: The file's group, a name or a number. Without it, whose it is already.
    type: str
  backup:
    description: Where the way back is kept. Without it there is none.
    type: dict
    suboptions:
      folder:
        description: A folder for these files alone; made with mode 0700.
        type: path
        required: true
      run:
        description: Names the change; later runs sort behind earlier ones. Several files may be changed in one run.
          Needed for C(state=present).
        type: str
      keep:
        description: How many runs are kept.
        type: int
        default: 2
author:
  - The Countersign authors
"""

EXAMPLES = r"""
- name: Deliver the key
  countersign.stack.env_file:
    path: /etc/countersign/service-keys/aidb.env
    variables: {SERVICE_ID: aidb}
    secrets: {SERVICE_KEY: "{{ key }}"}
    owner: aidb
    group: aidb
    backup: {folder: /var/backups/countersign/aidb, run: 20260101T120000Z}
  no_log: true

- name: Take the newest change back
  countersign.stack.env_file:
    state: restored
    backup: {folder: /var/backups/countersign/aidb}
"""

RETURN = r"""
files:
  description: The files that were changed, and how.
  returned: success
  type: list
  elements: dict
  sample: [{path: /etc/countersign/service-keys/aidb.env, change: replaced}]
runs:
  description: The runs that can be taken back, the newest last.
  returned: when C(backup) is given
  type: list
  elements: str
fingerprints:
  description:
    - Of every secret, the first eight characters of its hexadecimal SHA-256, as it stands after the change. Tells two
      keys apart without showing either.
  returned: success
  type: dict
  sample: {SERVICE_KEY: 3f79bb7b}
"""

import base64
import grp
import hashlib
import json
import os
import pwd
import re
import shutil
import stat
import tempfile

from ansible.module_utils.basic import AnsibleModule

ASSIGNMENT = re.compile(r"^\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=(.*)$")
# What every reader of .env files (shells, systemd, Docker, libraries) takes as it stands.
PLAIN = re.compile(r"[A-Za-z0-9_.,:/+=@-]*")


class Refusal(Exception):
    """What is wrong, in words that show no secret."""


def assigned(text, name):
    """The last value of `name`, as a shell would take it; None where it has none."""
    value = None
    for line in text.splitlines():
        match = ASSIGNMENT.match(line)
        if match and match.group(1) == name:
            value = match.group(2).strip().strip("\"'")
    return value


def with_variables(text, variables):
    """`text` with every variable assigned exactly once, where its first assignment stood."""
    left, lines = dict(variables), []
    for line in text.splitlines():
        match = ASSIGNMENT.match(line)
        if not match or match.group(1) not in variables:
            lines.append(line)
        elif match.group(1) in left:
            lines.append("%s=%s" % (match.group(1), left.pop(match.group(1))))
    lines.extend("%s=%s" % assignment for assignment in left.items())
    return "".join(line + "\n" for line in lines)


def fingerprints(text, names):
    values = {name: assigned(text, name) for name in names}
    return {name: hashlib.sha256(value.encode()).hexdigest()[:8] for name, value in values.items() if value}


def identity(name, look_up, what):
    """A user's or a group's number; -1 (leave it) for none."""
    if name is None:
        return -1
    if name.isdigit():
        return int(name)
    try:
        return look_up(name)
    except KeyError:
        raise Refusal("there is no %s %s on this host" % (what, name))


class File:
    """A regular file or the lack of one. Symbolic links are refused: who may change the link would choose the file."""

    def __init__(self, path):
        self.path = path
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError:
            self.content = self.mode = self.uid = self.gid = None
            return
        except OSError as error:
            raise Refusal("%s cannot be opened: %s" % (path, error.strerror))
        with os.fdopen(handle, "rb") as opened:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise Refusal("%s is no regular file" % path)
            self.content = opened.read()
        self.mode, self.uid, self.gid = stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid

    @property
    def exists(self):
        return self.content is not None

    @property
    def text(self):
        try:
            return (self.content or b"").decode("utf-8")
        except UnicodeDecodeError:
            raise Refusal("%s is no UTF-8 text" % self.path)

    def differs(self, content, mode, uid, gid):
        if not self.exists or self.content != content or self.mode != mode:
            return True
        return uid not in (-1, self.uid) or gid not in (-1, self.gid)


def make_folder(path, mode):
    if os.path.isdir(path):
        status = os.stat(path)
        if status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX:
            raise Refusal("others can write in %s and so exchange its files: chmod go-w %s" % (path, path))
        return
    os.makedirs(path, mode)
    os.chmod(path, mode)


def replace(path, content, mode, uid, gid):
    """All or nothing, and on disk before the name points to it."""
    handle, draft = tempfile.mkstemp(prefix=".", suffix=".draft", dir=os.path.dirname(path))
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchown(handle, uid, gid)
            os.fchmod(handle, mode)
            file.flush()
            os.fsync(handle)
        os.rename(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
    flush_folder(os.path.dirname(path))


def remove(path):
    os.unlink(path)
    flush_folder(os.path.dirname(path))


def flush_folder(path):
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class Backup:
    """One folder a run, one file in it for each file that the run changed."""

    def __init__(self, options):
        self.folder, self.run, self.keep = options["folder"], options["run"] or None, options["keep"]
        if self.keep < 1:
            raise Refusal("backup.keep is 1 or more: the newest run is the way back")
        if self.run is not None and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", self.run):
            raise Refusal("backup.run is 1 to 64 letters, digits, dots, dashes and underscores")

    def check(self, folder):
        """Whoever can write there would choose what root puts back, and where."""
        status = os.stat(folder)
        if status.st_mode & 0o022 or status.st_uid not in (0, os.geteuid()):
            raise Refusal("the way back in %s is not root's alone: chown root %s; chmod go-w %s" % ((folder,) * 3))

    def runs(self):
        return sorted(os.listdir(self.folder)) if os.path.isdir(self.folder) else []

    def take(self, file, secrets):
        """Keeps `file` as it is now, unless this run kept it before: then that is how it was when the run began."""
        if self.run is None:
            raise Refusal("backup.run is needed for a change")
        folder = os.path.join(self.folder, self.run)
        for each in (self.folder, folder):
            make_folder(each, 0o700)
            self.check(each)
        entry = os.path.join(folder, hashlib.sha256(file.path.encode()).hexdigest()[:16])
        if not os.path.exists(entry):
            content = base64.b64encode(file.content).decode() if file.exists else None
            attributes = {"mode": file.mode, "uid": file.uid, "gid": file.gid}
            record = dict(attributes, path=file.path, content=content, secrets=sorted(secrets))
            replace(entry, json.dumps(record).encode(), 0o600, -1, -1)
        for old in self.runs()[: -self.keep]:
            if old != self.run:
                shutil.rmtree(os.path.join(self.folder, old))

    def entries(self):
        """What there was comes first, what there was not last: so a former key is back before its copy goes."""
        run = self.run if self.run is not None else (self.runs() or [None])[-1]
        folder = os.path.join(self.folder, run) if run else None
        if folder is None or not os.path.isdir(folder):
            return []
        for each in (self.folder, folder):
            self.check(each)
        # A name with a dot is the draft of an entry whose writing was broken off; nothing was changed then.
        entries = [os.path.join(folder, name) for name in os.listdir(folder) if not name.startswith(".")]
        records = [json.loads(File(entry).text) for entry in entries]
        return sorted(records, key=lambda record: (record["content"] is None, record["path"]))


class Change:
    """The work on one set of files; in check mode it only says what it would do."""

    def __init__(self, module):
        parameters = module.params
        self.check_mode = module.check_mode
        self.parameters = parameters
        self.backup = Backup(parameters["backup"]) if parameters["backup"] else None
        self.files = []
        self.fingerprints = {}

    def note(self, path, change):
        self.files.append({"path": path, "change": change})

    def present(self):
        options = self.parameters
        if not re.fullmatch(r"0?[0-7]{3}", options["mode"]):
            raise Refusal("mode is written as 0600")
        uid = identity(options["owner"], lambda name: pwd.getpwnam(name).pw_uid, "user")
        gid = identity(options["group"], lambda name: grp.getgrnam(name).gr_gid, "group")
        attributes = (int(options["mode"], 8), uid, gid)
        for name, value in options["secrets"].items():
            # A key of digits alone that YAML took for a number has lost its leading zeros.
            if not isinstance(value, str) or value == "":
                raise Refusal("the value of %s is %s" % (name, "empty" if value == "" else "no text: put it in quotes"))
        variables = {name: str(value) for name, value in options["variables"].items()}
        variables.update(options["secrets"])
        for name, value in variables.items():
            if not ASSIGNMENT.match(name + "="):
                raise Refusal("%s is no name of a variable" % name)
            if not PLAIN.fullmatch(value):
                raise Refusal("the value of %s has a character that readers of .env files take differently" % name)
        file = File(options["path"])
        content = with_variables(file.text, variables).encode()
        if self.replaces_secret(file):
            self.overlap(file, attributes)
        if file.differs(content, *attributes):
            self.write(file, content, *attributes)
        self.fingerprints = fingerprints(content.decode(), options["secrets"])

    def replaces_secret(self, file):
        if not file.exists or not self.parameters["previous"]:
            return False
        return any(assigned(file.text, name) not in (None, new) for name, new in self.parameters["secrets"].items())

    def overlap(self, file, attributes):
        """Before the new key replaces the old one: a crash in between leaves both the same, and so nothing refused."""
        previous = File(self.parameters["previous"])
        # A copy under another name must say itself whose key it is.
        content = with_variables(file.text, self.parameters["variables"]).encode()
        if previous.exists and previous.content != content:
            raise Refusal(
                "%s still holds an earlier key: finish that change (retire it) or roll it back first" % previous.path
            )
        if previous.differs(content, *attributes):
            self.write(previous, content, *attributes)

    def write(self, file, content, mode, uid, gid):
        if not file.exists:
            change = "created"
        elif file.content != content:
            change = "replaced"
        else:
            change = "permissions"
        self.note(file.path, change)
        if self.check_mode:
            return
        make_folder(os.path.dirname(file.path), 0o755)
        if self.backup:
            self.backup.take(file, self.parameters["secrets"])
        if file.exists:
            uid, gid = file.uid if uid == -1 else uid, file.gid if gid == -1 else gid
        replace(file.path, content, mode, uid, gid)

    def restored(self):
        for entry in self.backup.entries():
            file = File(entry["path"])
            if entry["content"] is None:
                if file.exists:
                    self.note(file.path, "removed")
                    if not self.check_mode:
                        remove(file.path)
                continue
            content = base64.b64decode(entry["content"])
            attributes = (entry["mode"], entry["uid"], entry["gid"])
            if file.differs(content, *attributes):
                self.note(file.path, "restored")
                if not self.check_mode:
                    replace(file.path, content, *attributes)
            self.fingerprints.update(fingerprints(content.decode(), entry["secrets"]))


def main():
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "restored"], "default": "present"},
            "path": {"type": "path"},
            "variables": {"type": "dict", "default": {}},
            "secrets": {"type": "dict", "default": {}, "no_log": True},
            "previous": {"type": "path"},
            "mode": {"type": "str", "default": "0600"},
            "owner": {"type": "str"},
            "group": {"type": "str"},
            "backup": {
                "type": "dict",
                "options": {
                    "folder": {"type": "path", "required": True},
                    "run": {"type": "str"},
                    "keep": {"type": "int", "default": 2},
                },
            },
        },
        required_if=[("state", "present", ["path"]), ("state", "restored", ["backup"])],
        supports_check_mode=True,
    )
    try:
        change = Change(module)
        getattr(change, module.params["state"])()
    except Refusal as refusal:
        module.fail_json(msg=str(refusal))
    except OSError as error:
        module.fail_json(msg="%s: %s" % (error.filename, error.strerror))
    result = {"files": change.files, "fingerprints": change.fingerprints}
    if change.backup:
        result["runs"] = change.backup.runs()
    module.exit_json(changed=bool(change.files), **result)


if __name__ == "__main__":
    main()
