"""headcount-deploy: from the training host to the door.

One function a verb. The private key never leaves the host that made it.
"""

from __future__ import annotations

import argparse
import getpass
import hashlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.door import open_door
from deploy.installing import default_program, install, readable
from deploy.sampling import fetch_samples
from deploy.sending import public_key_id, push, roll_back, tell_status, trust_key
from edge import __version__
from edge.contract.bundle import Bundle, read_bundle, write_file
from edge.contract.commands import UPDATE, Command
from edge.contract.offer import Offer
from edge.contract.packed import pack
from edge.contract.permit import write_permit
from edge.contract.signature import generate_key_pair, load_private_key, sign_bundle, trust
from edge.errors import CallError, HeadcountError, WorldError

_HOST = "NAME or USER@NAME, as ssh takes it"

if TYPE_CHECKING:
    Verbs = argparse._SubParsersAction[argparse.ArgumentParser]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one verb and return its exit code: 0 done, 1 the world is wrong, 2 the call is."""
    options = build_parser().parse_args(arguments)
    verb: Callable[[argparse.Namespace], int] = options.verb
    try:
        return verb(options)
    except HeadcountError as error:
        print(f"headcount-deploy: {error}", file=sys.stderr)
        return error.exit_code


def build_parser() -> argparse.ArgumentParser:
    """The command line, all verbs."""
    parser = argparse.ArgumentParser(prog="headcount-deploy", description=__doc__)
    parser.add_argument("--version", action="version", version=f"headcount {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")
    keygen = verbs.add_parser("keygen", help="make a key to sign bundles with")
    keygen.add_argument("key", type=Path, help="the private key to write; KEY.pub lies beside it")
    keygen.set_defaults(verb=_keygen)
    sign = verbs.add_parser("sign", help="sign a bundle")
    sign.add_argument("bundle", type=Path)
    sign.add_argument("--key", type=Path, required=True, help="the private key")
    sign.add_argument(
        "--allow-downgrade-from",
        type=int,
        metavar="COUNTER",
        help="let doors that have reached this counter go back to this older bundle",
    )
    sign.set_defaults(verb=_sign)
    verify = verbs.add_parser("verify", help="tell who vouches for a bundle")
    verify.add_argument("bundle", type=Path)
    verify.add_argument("--trusted", type=Path, required=True, help="folder of public keys (*.pub)")
    verify.set_defaults(verb=_verify)
    packed = verbs.add_parser("pack", help="one file of a signed bundle, for doors to fetch")
    packed.add_argument("bundle", type=Path)
    packed.add_argument("file", type=Path, help="the file to write, as door.bundle")
    packed.add_argument("--url", default="", help="where doors will find it: prints their command")
    packed.set_defaults(verb=_pack)
    _add_sending(verbs)
    samples = verbs.add_parser("samples", help="fetch pictures that a door has kept, over ssh")
    _add_samples(samples)
    _add_install(verbs.add_parser("install", help="install headcount on a door, over ssh"))
    for verb in (keygen, sign):
        verb.add_argument(
            "--passphrase-file",
            type=Path,
            help="first line is the passphrase; without it you are asked, empty for none",
        )
    return parser


def _add_sending(verbs: Verbs) -> None:
    trusted = verbs.add_parser("trust", help="have a door take what a key has signed, over ssh")
    trusted.add_argument("host", help=_HOST)
    trusted.add_argument("key", type=Path, help="the public key, KEY.pub")
    trusted.set_defaults(verb=_trust)
    push = verbs.add_parser(
        "push", help="bring a signed bundle to a door, which tries it, over ssh"
    )
    push.add_argument("host", help=_HOST)
    push.add_argument("bundle", type=Path)
    push.set_defaults(verb=_push)
    status = verbs.add_parser("status", help="which model counts at doors, and how well, over ssh")
    status.add_argument("hosts", nargs="+", metavar="HOST", help=_HOST)
    status.add_argument("--json", action="store_true", help="one JSON object a line")
    status.set_defaults(verb=_status)
    rollback = verbs.add_parser("rollback", help="put the model before in service again, over ssh")
    rollback.add_argument("host", help=_HOST)
    rollback.set_defaults(verb=_rollback)


def _add_samples(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("host", help=_HOST)
    verb.add_argument("folder", type=Path, help="new; for `headcount-train data import`")
    verb.add_argument("--clear", action="store_true", help="remove them from the door afterwards")
    verb.set_defaults(verb=_samples)


def _add_install(install: argparse.ArgumentParser) -> None:
    install.add_argument("host", help=_HOST)
    install.add_argument(
        "options", nargs=argparse.REMAINDER, metavar="[OPTION ...]",
        help="--program and --password-file name files here (default: this version, none); "
        "all others are those of install.sh, as --source and --broker, see docs/install.md",
    )  # fmt: skip
    install.set_defaults(verb=_install)


def _keygen(options: argparse.Namespace) -> int:
    public: Path = options.key.with_name(f"{options.key.name}.pub")
    if not options.key.parent.is_dir():
        raise CallError(f"{options.key.parent}: no such folder; make it first")
    pair = generate_key_pair(_passphrase(options.passphrase_file, twice=True))
    try:
        # O_EXCL: a key in use is never overwritten, and nobody else can read the new one.
        handle = os.open(options.key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as error:
        raise CallError(f"{options.key}: exists; a key is never overwritten") from error
    except OSError as error:
        raise WorldError(f"{options.key}: cannot be written: {error.strerror}") from error
    with os.fdopen(handle, "wb") as file:
        file.write(pair.private_pem)
    write_file(public, pair.public_pem)
    print(f"key {pair.key_id}: keep {options.key} secret; copy {public} to the doors")
    return 0


def _sign(options: argparse.Namespace) -> int:
    bundle = read_bundle(options.bundle)
    key = load_private_key(options.key, _passphrase(options.passphrase_file, twice=False))
    if options.allow_downgrade_from is not None:
        write_permit(bundle, options.allow_downgrade_from, key)
    print(f"signed: {sign_bundle(bundle, key)}")
    return 0


def _pack(options: argparse.Namespace) -> int:
    bundle = _signed(options.bundle)
    content = io.BytesIO()
    pack(bundle, content)
    try:
        write_file(options.file, content.getvalue())
    except OSError as error:
        raise WorldError(f"{options.file}: cannot be written: {error.strerror}") from error
    size, digest = len(content.getvalue()), hashlib.sha256(content.getvalue()).hexdigest()
    if options.url:
        print(Command(UPDATE, digest[:16], offer=Offer(options.url, size, digest)).to_json())
    else:
        print(f"{options.file}: {size} bytes, sha256 {digest}")
    return 0


def _verify(options: argparse.Namespace) -> int:
    bundle = read_bundle(options.bundle)
    found = trust(bundle, options.trusted)
    manifest = bundle.manifest
    print(f"{manifest.name} {manifest.version} ({bundle.sha256[:12]}): signed by {found.key_id}")
    return 0


def _trust(options: argparse.Namespace) -> int:
    key_id = public_key_id(readable(options.key))
    with open_door(options.host) as door:
        code = trust_key(door, options.key)
    if code == 0:
        print(f"{options.host} takes what key {key_id} has signed")
    return code


def _push(options: argparse.Namespace) -> int:
    bundle = _signed(options.bundle)
    with open_door(options.host) as door:
        return push(door, bundle)


def _status(options: argparse.Namespace) -> int:
    code = 0
    for host in options.hosts:
        try:
            with open_door(host) as door:
                code = max(code, tell_status(door, as_json=options.json))
        except WorldError as error:  # the others are asked all the same
            print(f"headcount-deploy: {error}", file=sys.stderr)
            code = 1
    return code


def _rollback(options: argparse.Namespace) -> int:
    with open_door(options.host) as door:
        return roll_back(door)


def _samples(options: argparse.Namespace) -> int:
    if options.folder.exists():
        raise CallError(f"{options.folder}: exists; give a new folder")
    with open_door(options.host) as door:
        count = fetch_samples(door, options.folder, clear=options.clear)
    print(f"{count} pictures in {options.folder}")
    return 0


def _signed(folder: Path) -> Bundle:
    bundle = read_bundle(folder)
    if bundle.signature_bytes is None:
        raise WorldError(f"{folder}: is not signed; sign it with `headcount-deploy sign`")
    return bundle


def _install(options: argparse.Namespace) -> int:
    ours = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    ours.add_argument("--program", default="")
    ours.add_argument("--password-file", type=Path)
    given, others = ours.parse_known_args(options.options)
    password = given.password_file and readable(given.password_file)
    program: Path | str | None = given.program or None
    if given.program.endswith(".whl"):
        program = readable(Path(given.program))
    with ExitStack() as stack:
        door = stack.enter_context(open_door(options.host))
        if program is None and "--uninstall" not in others:
            program = stack.enter_context(default_program())
        return install(door, program, password, others)


def _passphrase(path: Path | None, *, twice: bool) -> str | None:
    if path is not None:
        try:
            return path.read_text(encoding="utf-8").splitlines()[0] or None
        except (OSError, IndexError) as error:
            raise CallError(f"{path}: no passphrase can be read from it") from error
    if not sys.stdin.isatty():
        raise CallError("no terminal to ask for the passphrase: give --passphrase-file")
    passphrase = getpass.getpass("Passphrase (empty for none): ")
    if twice and passphrase != getpass.getpass("Again: "):
        raise CallError("the two passphrases differ")
    return passphrase or None


if __name__ == "__main__":
    sys.exit(main())
