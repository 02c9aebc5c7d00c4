# SPDX-License-Identifier: Apache-2.0
"""Every kind of message against the types that the SDK 2.x has from the protocol's schema: stricter than its client is."""

from __future__ import annotations

import unittest
from typing import Any, Dict

import jsonschema
import mcp_types._v2025_11_25 as handshake
import mcp_types._v2026_07_28 as stateless

from .wire import META, Host


class TypesTest(unittest.TestCase):
    maxDiff = None

    def check(self, model: Any, value: Any) -> None:
        """The value is of the type, and has nothing that the type does not know (results may have more)."""
        model.model_validate(value)
        if "extra" not in model.model_config or model.model_config["extra"] == "ignore":
            known = {field.alias or name for name, field in model.model_fields.items()}
            self.assertLessEqual(set(value), known, model.__name__)

    def ask(self, host: Host, method: str, **params: Any) -> Dict[str, Any]:
        """Asks as in the newer era."""
        answer = host.ask(method, {**params, "_meta": META})
        assert isinstance(answer, dict)
        return answer

    def test_messages_of_the_stateless_era_are_as_its_schema_says(self) -> None:
        with Host(version=None) as host:
            discovered = self.ask(host, "server/discover")
            self.check(stateless.DiscoverResultResponse, discovered)
            self.check(stateless.DiscoverResult, discovered["result"])
            listed = self.ask(host, "tools/list")
            self.check(stateless.ListToolsResultResponse, listed)
            self.check(stateless.ListToolsResult, listed["result"])
            for tool in listed["result"]["tools"]:
                self.check(stateless.Tool, tool)
                for schema in ("inputSchema", "outputSchema"):
                    jsonschema.Draft202012Validator.check_schema(tool[schema])
            for arguments in ({"code": "6 * 7"}, {"code": "1 / 0"}, {}):
                called = self.ask(host, "tools/call", name="run_code", arguments=arguments)
                self.check(stateless.CallToolResultResponse, called)
                self.check(stateless.CallToolResult, called["result"])
            self.check(stateless.JSONRPCErrorResponse, self.ask(host, "nope"))
            self.check(stateless.JSONRPCErrorResponse, self.ask(host, "tools/call", name="nope"))
            old = {**META, "io.modelcontextprotocol/protocolVersion": "1900-01-01"}
            refused = host.ask("server/discover", {"_meta": old})
            self.check(stateless.UnsupportedProtocolVersionError, refused)
            self.assertIn("2026-07-28", refused["error"]["data"]["supported"])

    def test_messages_of_the_handshake_era_are_as_its_schema_says(self) -> None:
        with Host() as host:
            self.check(handshake.InitializeResult, host.initialized)
            listed = host.ask("tools/list")["result"]
            self.check(handshake.ListToolsResult, listed)
            for tool in listed["tools"]:
                self.check(handshake.Tool, tool)
            self.check(handshake.CallToolResult, host.call("run_command", command="echo; exit 1"))
            host.answer(host.begin_call("run_command", token=1, command="echo x; sleep .2; echo y"))
            self.assertTrue(host.others)
            for message in host.others:
                self.check(handshake.ProgressNotification, message)
                self.check(handshake.ProgressNotificationParams, message["params"])
            self.check(handshake.JSONRPCErrorResponse, host.ask("nope"))


if __name__ == "__main__":
    unittest.main()
