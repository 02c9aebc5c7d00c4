-- SPDX-License-Identifier: Apache-2.0
std = "luajit"
globals = { "vim" }
max_line_length = 140
-- Methods of one kind have the same arguments, whether they use them or not.
self = false
