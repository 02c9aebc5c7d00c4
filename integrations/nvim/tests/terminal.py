#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The plugin as somebody sees it and types to it: Neovim in tmux, against the server at BERTH_SERVER."""

import re
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from tmux import Editor  # noqa: E402


class TerminalTests(unittest.TestCase):
    def editor(self, code: str = "", filetype: str = "", **options: int) -> Editor:
        folder = tempfile.TemporaryDirectory(prefix="berth-nvim-code-")
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "code"
        path.write_text(code)
        editor = Editor(str(path), "-c", f"set filetype={filetype}", **options)
        self.addCleanup(editor.close)
        editor.shows("code" if code == "" else re.escape(code.split("\n")[0]))
        return editor

    def test_lines_are_seen_when_they_are_printed_and_the_end_stands_below_them(self) -> None:
        editor = self.editor("for i in range(3):\n    print('line', i)\n    input()\n", "python")
        editor.command("BerthRun")
        editor.shows("^line 0$")
        self.assertNotIn("line 1", editor.screen())
        editor.shows("● code.*running")
        editor.keys("C-w", "j")
        editor.type("i")
        editor.shows("-- TERMINAL --")
        for index in (1, 2):
            editor.keys("Enter")
            editor.shows(f"^line {index}$")
        editor.keys("Enter")
        editor.shows(r"^line 2\s*\n✓ exit 0 · \d")
        editor.shows(r"✓ code.*exit 0 · \d")

    def test_colours_are_the_programs_and_what_goes_to_stderr_is_red(self) -> None:
        editor = self.editor()
        editor.command(r"BerthRun printf '\033[32mgreen\033[0m \033[1mbold\033[0m\n'; echo bad >&2; exit 1")
        editor.shows(r"exit 1")
        editor.shows(r"\x1b\[[0-9;]*(32|38;2;0;205;0|38;2;0;128;0|38;5;2)m(\x1b\[[0-9;]*m)*green", with_colours=True)
        editor.shows(r"\x1b\[[0-9;]*1(;[0-9;]*)?mbold|\x1b\[1m(\x1b\[[0-9;]*m)*bold", with_colours=True)
        editor.shows(r"\x1b\[[0-9;]*(31|38;2;205;0;0|38;2;224;0;0|38;2;128;0;0|38;5;1)m(\x1b\[[0-9;]*m)*bad", with_colours=True)
        editor.shows(r"\x1b\[[0-9;]*m✗ exit 1", with_colours=True)

    def test_a_carriage_return_draws_over_the_line(self) -> None:
        editor = self.editor()
        editor.command(r"BerthRun printf 'aaa 10 \%\%'; read x; printf '\rbbb 20 \%\%'; read x".replace("\\%", "%"))
        editor.shows("^aaa 10 %$")
        editor.keys("C-w", "j")
        editor.type("i")
        editor.shows("-- TERMINAL --")
        editor.keys("C-d")
        editor.shows("^bbb 20 %$")
        self.assertNotRegex(editor.screen(), "(?m)^aaa 10 %$")

    def test_a_window_follows_the_end_until_somebody_goes_back(self) -> None:
        editor = self.editor()
        go_on = r"lua require('berth.run').running[1]:type('\r')"
        editor.command("BerthRun seq 1 50; read x; seq 51 90; read x; echo last; read x")
        editor.shows("^50$")
        editor.command(go_on)
        editor.shows("^90$")
        editor.keys("C-w", "j", "g", "g")
        editor.shows(r"^1\n2\n")
        editor.keys("C-w", "k")
        editor.command(go_on)
        # It has been drawn, and not been followed.
        editor.command("lua vim.wait(9000, function() return vim.tbl_contains("
                       "vim.api.nvim_buf_get_lines(vim.fn.winbufnr(2), 0, -1, false), 'last') end) print('dra' .. 'wn')")
        editor.shows("^drawn$")
        editor.shows(r"^1\n2\n")
        editor.keys("C-w", "j", "G", "C-w", "k")
        editor.shows("^last$")
        editor.command("BerthCancel")
        editor.shows("^✗ cancelled")

    def test_keys_reach_a_program_with_a_terminal_one_by_one(self) -> None:
        editor = self.editor()
        editor.command("BerthRun! stty -icanon -echo; echo ready; head -c 7 | od -An -c")
        editor.shows("^ready$")
        editor.type("aé")
        editor.keys("Up", "C-d")
        editor.shows(r"a 303 251 033\s+\[\s+A 004")
        editor.shows("✓ exit 0")

    def test_ctrl_c_in_a_terminal_is_the_programs_own(self) -> None:
        editor = self.editor()
        editor.command("BerthRun! trap 'echo caught; exit 7' INT; echo ready; while :; do sleep 0.05; done")
        editor.shows("^ready$")
        editor.keys("C-c")
        editor.shows(r"caught")
        editor.shows("✗ exit 7")

    def test_a_full_screen_program_follows_the_windows_size(self) -> None:
        editor = self.editor(rows=30, columns=90)
        editor.command("BerthRun! trap 'echo now $(stty size)' WINCH; echo ready; while :; do sleep 0.05; done")
        editor.shows("^ready$")
        editor.resize(30, 70)
        editor.shows(r"^now \d+ 70$")
        editor.keys("C-\\", "C-n")
        editor.command("BerthCancel")
        editor.shows("✗ cancelled")

    def test_a_question_is_answered_in_its_window_and_a_password_is_not_seen(self) -> None:
        editor = self.editor("import getpass\nprint(len(getpass.getpass('word? ')), input('name? '))\n", "python")
        editor.command("BerthSession")
        editor.shows("a session is open")
        editor.command("BerthRun")
        editor.shows(r"^word\?")
        editor.keys("C-w", "j")
        editor.type("i")
        editor.shows("-- TERMINAL --")
        editor.type("secret")
        editor.keys("Enter")
        editor.shows(r"^name\?")
        editor.type("bob")
        editor.keys("Enter")
        editor.shows("^6 bob$")
        self.assertNotIn("secret", editor.screen())

    def test_who_types_in_terminal_mode_sees_his_line_and_can_mend_it(self) -> None:
        editor = self.editor()
        editor.command('BerthRun echo ready; read line; echo "[$line]"')
        editor.shows("^ready$")
        editor.keys("C-w", "j")
        editor.type("i")
        editor.shows("-- TERMINAL --")
        editor.type("abx")
        editor.shows("^abx$")
        editor.keys("BSpace")
        editor.type("世")
        editor.shows("^ab世$")
        editor.keys("BSpace")
        editor.type("c")
        editor.keys("Enter")
        editor.shows(r"^abc\s*\n\[abc\]")


if __name__ == "__main__":
    unittest.main(verbosity=2)
