# SPDX-License-Identifier: Apache-2.0
"""Jupyter's own suite for kernels: through the provisioner, through the command, and with the local ipykernel beside them."""

from __future__ import annotations

import sys
import unittest
from typing import Any

import jupyter_kernel_test

from .support import WorldCase


class Suite(jupyter_kernel_test.KernelTests):  # type: ignore[misc]
    language_name = "python"
    file_extension = ".py"
    code_hello_world = "print('hello, world')"
    code_stderr = "import sys; print('test', file=sys.stderr)"
    completion_samples = [{"text": "zi", "matches": {"zip"}}]
    complete_code_samples = ["1", "print('hello, world')", "def f(x):\n  return x*2\n\n\n"]
    incomplete_code_samples = ["print('''hello", "def f(x):\n  x*2"]
    invalid_code_samples = ["import = 7q"]
    code_page_something = "zip?"
    code_generate_error = "raise ValueError('no')"
    code_execute_result = [{"code": "6 * 7", "result": "42"}]
    code_display_data = [{"code": "from IPython.display import HTML, display; display(HTML('<b>x</b>'))", "mime": "text/html"}]
    code_history_pattern = "6*"
    # ipykernel answers "range" with another session's number than the suite expects: that is the one that is skipped.
    supported_history_operations = ("tail", "search")
    code_inspect_sample = "zip"
    code_clear_output = "from IPython.display import clear_output; clear_output()"


class ProvisionerTests(Suite):
    kernel_name = "berth"


class CommandTests(Suite):
    kernel_name = "berth-argv"


class LocalTests(Suite):
    kernel_name = "local"


class ComparisonTests(WorldCase):
    def test_both_kernels_pass_and_skip_what_the_local_one_does(self) -> None:
        outcomes = {}
        for suite in (LocalTests, ProvisionerTests, CommandTests):
            result = unittest.TestResult()
            unittest.defaultTestLoader.loadTestsFromTestCase(suite).run(result)
            failed = [f"{test.id()}\n{trace}" for test, trace in [*result.failures, *result.errors]]
            self.assertEqual(failed, [], "\n".join(failed))
            outcomes[suite.kernel_name] = (result.testsRun, sorted(test.id().rpartition(".")[2] for test, _ in result.skipped))
        print(f"\njupyter_kernel_test: {outcomes}", file=sys.stderr)
        self.assertEqual(outcomes["berth"], outcomes["local"])
        self.assertEqual(outcomes["berth-argv"], outcomes["local"])
        self.assertEqual(outcomes["local"], (12, ["test_history (hist_access_type='range')"]))


def load_tests(loader: unittest.TestLoader, _: Any, __: Any) -> unittest.TestSuite:
    """The comparison runs the suites."""
    return loader.loadTestsFromTestCase(ComparisonTests)
