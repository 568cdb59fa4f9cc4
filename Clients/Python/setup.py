"""The C client, compiled into the extension module: stable ABI of Python 3.11."""

import glob
import os

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

here = os.path.dirname(os.path.abspath(__file__))
client = os.path.relpath(os.path.join(here, "../C"), here)
core = os.path.relpath(os.path.join(here, "../../Sources/CAtomics"), here)
sources = sorted(glob.glob(os.path.join(client, "src/*.c"), root_dir=here))
# The extension is compiled anew when one of these is newer: the headers have inlined functions and the layout of segments.
headers = sorted(
    path for pattern in (f"{client}/*.h", f"{client}/src/*.h", f"{core}/include/**/*.h") for path in glob.glob(pattern, root_dir=here, recursive=True)
)


class Build(build_ext):
    """Two folders down: the sources above this one have their objects in the build's own folder then, and not in what other builds share."""

    def finalize_options(self):
        super().finalize_options()
        self.build_temp = os.path.join(self.build_temp, "Clients", "Python")


setup(
    cmdclass={"build_ext": Build},
    ext_modules=[
        Extension(
            "sharedring._sharedring",
            sources=["src/_sharedring.c", *sources, f"{core}/linux.c", f"{core}/fork.c"],
            include_dirs=[client, f"{client}/src", f"{core}/include"],
            depends=["setup.py", *headers],
            define_macros=[("Py_LIMITED_API", "0x030b0000"), ("_GNU_SOURCE", None)],
            extra_compile_args=["-std=gnu11", "-O2", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-cast-function-type", "-Wno-unused-parameter"],
            # In a program that has libsharedring.so, too, the extension calls its own functions, whose version is that of its inlined ones.
            extra_link_args=["-Wl,-Bsymbolic"],
            py_limited_api=True,
        )
    ],
    options={"bdist_wheel": {"py_limited_api": "cp311"}},
)
