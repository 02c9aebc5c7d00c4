// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthSchema
import Testing
import TestSupport

@Suite("Contexts of shells")
struct ShellContextTests {
    @Test(
        "a shell keeps its directory, variables and functions; each piece has its own exit code and output",
        arguments: ["bash", "sh"])
    func state(_ language: String) async throws {
        try await ContextTests.with(language) { client, _, context in
            let first = try await client.run("cd /; x='a  b'; greet() { echo \"$1, $x\"; }; (exit 3)", in: context)
            #expect(first.ended.exitCode == 3)
            #expect(first.text == "" && first.errorText == "")
            let second = try await client.run("echo $?; pwd; greet hello; echo oops >&2", in: context)
            #expect(second.text == "3\n/\nhello, a  b\n")
            #expect(second.errorText == "oops\n")
            #expect(second.ended.exitCode == 0)
        }
    }

    @Test(
        "a syntax error, an unfinished quote, and what ends a script fail at once, and the shell goes on",
        arguments: ["bash", "sh"],
        ["echo 'unfinished", "if true; then", ")", "echo ${nothing:?is set}", "set -u; echo $no"])
    func errors(_ language: String, _ code: String) async throws {
        try await ContextTests.with(language) { client, _, context in
            try await client.run("kept=1", in: context)
            let output = try await client.run(code, in: context, timeout: .seconds(5))
            #expect(output.ended.cause == .exited)
            #expect(output.ended.exitCode != 0)
            #expect(!output.errorText.isEmpty)
            #expect(!output.ended.isContextLost)
            #expect(try await client.run("echo $kept", in: context).text == "1\n")
        }
    }

    @Test("jobs of one piece are there in the next", arguments: ["bash", "sh"])
    func jobs(_ language: String) async throws {
        try await ContextTests.with(language) { client, _, context in
            let started = try await client.run("sleep 60 & echo $!", in: context)
            let pid = started.text.trimmed
            #expect(
                try await client.run("jobs; kill -9 \(pid); wait \(pid); echo $?", in: context).text.hasSuffix("137\n"))
        }
    }

    @Test("what bash declares in a piece is the next one's too, and noise of an interactive shell is not to be heard")
    func declared() async throws {
        try await ContextTests.with("bash") { client, _, context in
            try await client.run("declare -A map; map[a]=1; shopt -s nullglob; alias say=echo", in: context)
            let next = try await client.run("say ${map[a]} /nothing*", in: context)
            #expect(next.text == "1\n")
            let killed = try await client.run("sh -c 'kill -9 $$'; echo $?", in: context)
            #expect(killed.text == "137\n")
            #expect(!killed.errorText.contains("tcsetattr"))
        }
    }

    @Test(
        "a piece whose time is up is interrupted, and the shell is kept, with what it knows; it says so when it was not",
        arguments: ["bash", "sh"])
    func timeout(_ language: String) async throws {
        try await ContextTests.with(language) { client, lease, context in
            let code = "f() { sleep 60; echo no; }; kept=1; f; echo no"
            let output = try await client.run(code, in: context, timeout: .milliseconds(300))
            #expect(output.ended.cause == .timedOut)
            #expect(output.text == "")
            #expect(!output.ended.isContextLost)
            #expect(try await client.run("echo $kept $?", in: context).text == "1 130\n")
            var command = Command(
                piece: "trap '' INT; while :; do sleep 1; done", in: context, timeout: .milliseconds(300))
            command.grace = .milliseconds(200)
            let lost = try await client.run(command, in: lease)
            #expect(lost.ended.cause == .timedOut)
            #expect(lost.ended.isContextLost)
        }
    }

    @Test("a piece reads its own input, and has its end; one without input has none", arguments: ["bash", "sh"])
    func input(_ language: String) async throws {
        try await ContextTests.with(language) { client, lease, context in
            let some = try await client.run(
                Command(piece: "read a; echo \"[$a]\"; cat", in: context, stdin: Array("one\ntwo\n".utf8)), in: lease)
            #expect(some.text == "[one]\ntwo\n")
            #expect(try await client.run("cat; echo $?", in: context).text == "0\n")
        }
    }

    @Test("a piece that ends its shell is told so", arguments: ["bash", "sh"])
    func exit(_ language: String) async throws {
        try await ContextTests.with(language) { client, _, context in
            let output = try await client.run("echo bye; exit 7", in: context)
            #expect(output.text == "bye\n")
            #expect(output.ended.cause == .exited)
            #expect(output.ended.exitCode == 7)
            #expect(output.ended.isContextLost)
        }
    }
}

extension String {
    fileprivate var trimmed: String { String(filter { !$0.isWhitespace }) }
}
