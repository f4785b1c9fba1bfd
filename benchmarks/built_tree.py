"""What the scripts of this folder need to run Java from the built tree."""

import glob
import os
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
REQUIRED_JDK = 25


def fail(message):
    """Ends the script."""
    sys.exit(f"{pathlib.Path(sys.argv[0]).name}: {message}")


def find_java():
    """The java of JAVA_HOME or the newest in the usual folders, if it is new enough."""
    homes = [os.environ.get("JAVA_HOME", "")] + sorted(glob.glob("/usr/lib/jvm/*"), reverse=True)
    for home in filter(None, homes):
        release = pathlib.Path(home, "release")
        version = re.search(r'JAVA_VERSION="(\d+)', release.read_text()) if release.is_file() else None
        if version and int(version[1]) >= REQUIRED_JDK:
            return str(pathlib.Path(home, "bin", "java"))
    return fail(f"no JDK {REQUIRED_JDK} in JAVA_HOME or /usr/lib/jvm")


def java():
    """The command that runs a main class of the benchmarks."""
    classpath = HERE / "target" / "classpath.txt"
    if not classpath.is_file():
        fail("not built yet; run: mvn -DskipTests package")
    return [find_java(), "--enable-native-access=ALL-UNNAMED", "-cp",
            f"{HERE / 'target' / 'classes'}{os.pathsep}{classpath.read_text().strip()}"]
