# SPDX-License-Identifier: Apache-2.0
"""What pyproject.toml cannot say: that what building needs goes elsewhere, so that installing leaves nothing here."""

import atexit
import shutil
import tempfile

from setuptools import setup

scratch = tempfile.mkdtemp(prefix="langchain-berth-build-")
atexit.register(shutil.rmtree, scratch, ignore_errors=True)
setup(options={"build": {"build_base": scratch}, "egg_info": {"egg_base": scratch}})
