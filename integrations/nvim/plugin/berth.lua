-- SPDX-License-Identifier: Apache-2.0

if vim.g.loaded_berth or vim.fn.has("nvim-0.7") == 0 then
  return
end
vim.g.loaded_berth = true

local command = vim.api.nvim_create_user_command

command("BerthRun", function(call)
  require("berth").run({ command = call.args, bang = call.bang, range = call.range, first = call.line1, last = call.line2 })
end, { nargs = "*", bang = true, range = true, complete = "shellcmd", desc = "Run the buffer, a range of it, or a shell line" })

command("BerthCancel", function()
  require("berth").cancel()
end, { desc = "End the program" })

command("BerthAttach", function()
  require("berth").attach()
end, { desc = "Show a program again that an earlier editor has started" })

command("BerthSession", function(call)
  require("berth").session(call.bang)
end, { bang = true, desc = "Keep variables from run to run; with ! no longer" })

for group, link in pairs({ BerthOk = "DiagnosticInfo", BerthFailed = "DiagnosticError", BerthRunning = "DiagnosticWarn" }) do
  vim.api.nvim_set_hl(0, group, { link = link, default = true })
end

local berth = vim.api.nvim_create_augroup("berth", {})
vim.api.nvim_create_autocmd("FileType", {
  group = berth,
  pattern = "berth",
  desc = "Keys of a window with a program's output",
  callback = function(event)
    vim.keymap.set("n", "<C-c>", function()
      require("berth").interrupt()
    end, { buffer = event.buf, desc = "Interrupt the program; again: end it" })
    vim.keymap.set("n", "q", "<Cmd>close<CR>", { buffer = event.buf, desc = "Close the window" })
  end,
})
