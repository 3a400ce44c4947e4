"""Make `.venv/` from this machine's own Python and install the project into it, editable.

Kept free of new syntax and of dependencies, so that an old Python reaches the sentence that says it is too old.
"""

import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
STAMP = os.path.join(VENV, ".installed")
GROUPS = ["demo", "runner"]
MINIMUM = (3, 11)


def fail(sentence):
    """Leave with one sentence on stderr."""
    sys.stderr.write("make setup: " + sentence + "\n")
    sys.exit(1)


def venv_python():
    """Return the path of the environment's interpreter."""
    folder = "Scripts" if os.name == "nt" else "bin"
    return os.path.join(VENV, folder, "python.exe" if os.name == "nt" else "python")


def fingerprint():
    """Return what the environment was made from: the project's metadata, its place and the interpreter."""
    digest = hashlib.sha256()
    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as metadata:
        digest.update(metadata.read())
    digest.update(repr((VENV, sys.version_info[:3], GROUPS)).encode())
    return digest.hexdigest()


def is_current():
    """Return whether the environment is complete, still starts, and was made from what is there now."""
    try:
        with open(STAMP) as stamp:
            if stamp.read() != fingerprint():
                return False
        return subprocess.call([venv_python(), "-c", "import django_stripe_gateway"]) == 0
    except OSError:
        return False


def check_python():
    """Leave with a clear sentence when this Python can't make the environment."""
    if sys.version_info < MINIMUM:
        fail(
            "Python %d.%d or newer is needed, but %s is %s. Install a newer one and name it: "
            "make setup PYTHON=python3.13" % (*MINIMUM, sys.executable, sys.version.split()[0])
        )
    try:
        import ensurepip
        import venv
    except ImportError:
        fail(
            "this Python can't make virtual environments. On Debian and Ubuntu, install python%d.%d-venv."
            % sys.version_info[:2]
        )
    else:
        del ensurepip, venv


def fits():
    """Return whether there is an environment of this very Python that still starts where it lies."""
    question = "import sys; print(sys.version_info[:3], sys.prefix)"
    try:
        answer = subprocess.check_output([venv_python(), "-c", question], stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return False
    expected = "%s %s" % (sys.version_info[:3], VENV)
    return answer.decode().strip() == expected


def make():
    """Make the environment, unless one is there that fits, and install into it."""
    if not fits():
        if os.path.isdir(VENV):
            shutil.rmtree(VENV)
        print("make setup: making .venv with Python %d.%d.%d" % sys.version_info[:3], flush=True)
        subprocess.check_call([sys.executable, "-m", "venv", VENV])
    pip = [venv_python(), "-m", "pip", "--disable-pip-version-check", "-qq"]
    print("make setup: installing the package, what the demo needs, and tox", flush=True)
    subprocess.check_call([*pip, "install", "--upgrade", "pip>=25.1"])
    groups = [argument for group in GROUPS for argument in ("--group", group)]
    subprocess.check_call([*pip, "install", "--editable", ROOT, *groups], cwd=ROOT)
    with open(STAMP, "w") as stamp:
        stamp.write(fingerprint())


def main():
    """Bring `.venv/` up to date, quickly when it already is."""
    check_python()
    if is_current():
        print("make setup: .venv is up to date")
        return
    try:
        make()
    except subprocess.CalledProcessError as error:
        fail("this command failed with code %d: %s" % (error.returncode, " ".join(error.cmd)))
    print("make setup: done. Next: make demo, or make test")


if __name__ == "__main__":
    main()
