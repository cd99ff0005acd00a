"""Archives whose bytes depend on nothing but what is in them.

A package is a `Tree`: paths with `/`, each with its content and whether it can be executed. Entries are
sorted, owners are 0, modes are 0755 or 0644, and times are the one of the project.
"""

import gzip
import io
import pathlib
import tarfile
import time
import zipfile

# path -> (content, executable)
Tree = dict[str, tuple[bytes, bool]]


def _mode(executable: bool) -> int:
    return 0o755 if executable else 0o644


def tar_gz(tree: Tree, when: int) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, (content, executable) in sorted(tree.items()):
            entry = tarfile.TarInfo(path)
            entry.size, entry.mtime, entry.mode = len(content), when, _mode(executable)
            tar.addfile(entry, io.BytesIO(content))
    packed = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=packed, mode="wb", compresslevel=9, mtime=when) as file:
        file.write(raw.getvalue())
    return packed.getvalue()


def zip_archive(tree: Tree, when: int) -> bytes:
    """Modes are those of Unix, also where Python runs on something else."""
    packed = io.BytesIO()
    # zip counts in steps of two seconds.
    date = time.gmtime(when - when % 2)[:6]
    with zipfile.ZipFile(packed, "w") as file:
        for path, (content, executable) in sorted(tree.items()):
            entry = zipfile.ZipInfo(path, date)
            entry.create_system = 3
            entry.external_attr = (0o100000 | _mode(executable)) << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, content, compresslevel=9)
    return packed.getvalue()


def below(folder: str, tree: Tree) -> Tree:
    return {f"{folder}/{path}": entry for path, entry in tree.items()}


def write(path: pathlib.Path, content: bytes, executable: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(_mode(executable))
