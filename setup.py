"""Builds the extensions, pricetime._book and pricetime._crc. All else lives in pyproject.toml.

Environment variables choose a build mode, and each mode has a build directory of its own, as
neither Cython nor setuptools notices that the flags have changed since the files there were made:

    PRICETIME_DEBUG=1                     CHECKs on, bounds checked, -Og -g
    PRICETIME_SANITIZE=address,undefined  the same, under those sanitizers
    PRICETIME_ANNOTATE=1                  also writes build/<mode>/cython/engine/_book.html
    PRICETIME_NATIVE=1                    -march=native: for this machine only
"""

import os
from glob import glob

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext


def wanted(name: str) -> bool:
    return os.environ.get(name, "") not in ("", "0")


SANITIZE = os.environ.get("PRICETIME_SANITIZE", "")
DEBUG = bool(SANITIZE) or wanted("PRICETIME_DEBUG")
NATIVE = wanted("PRICETIME_NATIVE")
ANNOTATE = wanted("PRICETIME_ANNOTATE")
MODE = "sanitize-" + SANITIZE.replace(",", "-") if SANITIZE else "debug" if DEBUG else "release"
if ANNOTATE:
    MODE += "-annotated"  # its C has no #line directives

# Given to cythonize, since directives at the head of the .pyx do not reach the .pxd files. Those
# that change what the code means are the same in every mode.
DIRECTIVES = {
    "language_level": 3,
    "cdivision": True,
    "wraparound": False,
    "embedsignature": False,
    "auto_pickle": False,
    "autotestdict": False,
    "binding": True,
    "boundscheck": DEBUG,
    "initializedcheck": DEBUG,
}


def flags() -> tuple[list[str], list[str]]:
    """The compiler's and the linker's flags."""
    if os.name == "nt":
        return ["/O2"], []
    native = ["-march=native"] if NATIVE else []
    if SANITIZE:
        # Python's own flags may hold -fwrapv, under which a signed overflow is nothing to report.
        sanitize = f"-fsanitize={SANITIZE}"
        return [
            sanitize,
            "-fno-sanitize-recover=all",
            "-fno-wrapv",
            "-fno-omit-frame-pointer",
            "-O1",
            "-g",
        ], [sanitize]
    if DEBUG:
        return ["-Og", "-g"], []
    # The kernels are one program in many inline functions. With GCC's own limits the way of a plain
    # order is cut into calls: 5 % slower on the flow `normal`. Clang ignores these.
    limits = {
        "inline-unit-growth": 200,
        "large-function-growth": 400,
        "max-inline-insns-single": 300,
    }
    inlining = [f"--param={name}={limit}" for name, limit in limits.items()]
    return ["-O3", "-g1", *inlining, *native], []


class build_ext_cython(build_ext):
    """Runs Cython when the extension is compiled, not whenever setup.py is read: so that an sdist
    holds the .pyx, and asking for the metadata needs no Cython."""

    def build_extension(self, extension):
        from Cython.Build import cythonize

        build_dir = f"build/{MODE}/cython"
        (source,) = extension.sources
        generated = f"{build_dir}/{source.removesuffix('.pyx')}.c"
        stale = os.path.exists(generated) and (
            os.path.getmtime(generated) < os.path.getmtime("setup.py")
        )
        (made,) = cythonize(
            [Extension(extension.name, extension.sources)],
            include_path=["."],
            build_dir=build_dir,
            compiler_directives=DIRECTIVES,
            emit_linenums=True,
            annotate=ANNOTATE,
            force=stale or ANNOTATE,
        )
        extension.sources = made.sources
        super().build_extension(extension)


compile_args, link_args = flags()

setup(
    ext_modules=[
        Extension(
            f"pricetime.{name}",
            [f"engine/{name}.pyx"],
            include_dirs=["engine"],
            define_macros=[("PRICETIME_CHECKS", str(int(DEBUG)))],
            extra_compile_args=compile_args,
            extra_link_args=link_args,
            depends=["setup.py", *sorted(glob("engine/*.pxd") + glob("engine/*.h"))],
        )
        for name in ("_book", "_crc")
    ],
    cmdclass={"build_ext": build_ext_cython},
    options={"build": {"build_base": f"build/{MODE}", "build_lib": f"build/{MODE}/lib"}},
)
