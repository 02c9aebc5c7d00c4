// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TestSupport

@Suite("berth run -it at a real terminal, on a real container", .serialized)
struct TerminalTests {
    private let shell = ["run", "-it", "--", "sh"]

    @Test("prompt, line editing, Ctrl-C, window size, TERM and exit code are as in a terminal of one's own")
    func session() async throws {
        try await ServerProcess.with(.runc) { server in
            try await TerminalProgram.with(server, shell) { terminal in
                let modes = terminal.modes
                try await terminal.shows("$ ")
                #expect(terminal.isRaw)
                // The echo of what is typed is not what the command prints.
                terminal.type("echo term-$TERM; stty size\r")
                try await terminal.shows("term-vt220\r\n30 100\r\n")
                terminal.type("echo hell\u{7F}\u{7F}\u{7F}\u{7F}fine | tr a-z A-Z\r")
                try await terminal.shows("FINE\r\n")
                terminal.type("forget this\u{15}echo kept-$((6*7))\r")
                try await terminal.shows("kept-42\r\n")

                terminal.type("sleep 1000\r")
                try await terminal.shows("sleep 1000\r\n")
                terminal.type("\u{3}")
                terminal.type("echo status-$?\r")
                try await terminal.shows("status-130\r\n")

                terminal.resize(rows: 41, columns: 137)
                try await eventually("the program sees the new size") {
                    terminal.type("stty size\r")
                    try await Task.sleep(for: .milliseconds(50))
                    return terminal.screen.contains("\r\n41 137\r\n")
                }
                terminal.type("exit 7\r")
                #expect(try await terminal.end() == 7)
                #expect(terminal.modes == modes)
            }
        }
    }

    @Test("a change of the window is followed by SIGWINCH in the program")
    func windowChange() async throws {
        try await ServerProcess.with(.runc) { server in
            let script = "trap 'echo size; stty size' WINCH; echo ready; while :; do sleep 0.05; done"
            try await TerminalProgram.with(server, ["run", "-it", "--", "sh", "-c", script]) { terminal in
                try await terminal.shows("ready")
                terminal.resize(rows: 20, columns: 50)
                try await terminal.shows("size\r\n20 50")
                terminal.type("\u{3}")
                #expect(try await terminal.end() == 130)
            }
        }
    }

    @Test("Ctrl-D at the prompt ends the shell")
    func endOfFile() async throws {
        try await ServerProcess.with(.runc) { server in
            try await TerminalProgram.with(server, shell) { terminal in
                let modes = terminal.modes
                try await terminal.shows("$ ")
                terminal.type("\u{4}")
                #expect(try await terminal.end() == 0)
                #expect(terminal.modes == modes)
            }
        }
    }

    @Test(
        "the terminal is put back when a signal ends berth run",
        arguments: [(SIGTERM, 143), (SIGHUP, 129), (SIGINT, 130), (SIGQUIT, 131), (SIGABRT, 134)] as [(Int32, Int32)])
    func signals(_ signal: Int32, _ status: Int32) async throws {
        try await ServerProcess.with(.runc) { server in
            // A shell at its prompt minds none of them but the hangup.
            try await TerminalProgram.with(server, shell) { terminal in
                let modes = terminal.modes
                try await terminal.shows("$ ")
                #expect(terminal.isRaw)
                terminal.signal(signal)
                #expect(try await terminal.end() == status)
                #expect(terminal.modes == modes)
            }
        }
    }

    @Test("the terminal is put back when the connection is lost, and when the program fails to start")
    func lost() async throws {
        try await ServerProcess.with(.runc) { server in
            let proxy = try CuttableProxy(to: server.address)
            defer { proxy.close() }
            try await TerminalProgram.with(server, shell, address: proxy.address) { terminal in
                let modes = terminal.modes
                try await terminal.shows("$ ")
                #expect(terminal.isRaw)
                proxy.cut()
                #expect(try await terminal.end() == 125)
                #expect(terminal.modes == modes)
            }
            try await TerminalProgram.with(server, ["run", "-it", "--", "no-such-program"]) { terminal in
                let modes = terminal.modes
                #expect(try await terminal.end() == 127)
                #expect(terminal.modes == modes)
                try await terminal.shows("no-such-program")
            }
        }
    }

    @Test("Enter ~ . leaves, and ~~ is one ~")
    func escape() async throws {
        try await ServerProcess.with(.runc) { server in
            try await TerminalProgram.with(server, shell) { terminal in
                let modes = terminal.modes
                try await terminal.shows("$ ")
                terminal.type("echo a~.b\r")
                try await terminal.shows("a~.b\r\n")
                terminal.type("~~\u{15}echo still-$((1+1))\r")
                try await terminal.shows("still-2\r\n")
                terminal.type("~.")
                #expect(try await terminal.end() == 129)
                #expect(terminal.modes == modes)
            }
            try await eventually("the program's end") {
                try await berth(["stats", "--json", "--server", server.address]).out.contains("\"executions\":0")
            }
        }
    }

    @Test("a stop gives the terminal back, and going on takes it again")
    func stop() async throws {
        try await ServerProcess.with(.runc) { server in
            try await TerminalProgram.with(server, shell) { terminal in
                let modes = terminal.modes
                try await terminal.shows("$ ")
                terminal.signal(SIGTSTP)
                try await eventually("it has stopped") { terminal.isStopped }
                #expect(terminal.modes == modes)
                terminal.signal(SIGCONT)
                try await eventually("it goes on") { terminal.isRaw }
                terminal.type("echo on-$((1+1))\r")
                try await terminal.shows("on-2\r\n")
                terminal.type("exit\r")
                #expect(try await terminal.end() == 0)
                #expect(terminal.modes == modes)
            }
        }
    }

    @Test("a session survives its connection, and can be left and attached to again")
    func reconnect() async throws {
        try await ServerProcess.with(.runc) { server in
            let proxy = try CuttableProxy(to: server.address)
            defer { proxy.close() }
            let resumable = ["run", "-it", "--resumable", "1m", "--", "sh"]
            var id = ""
            try await TerminalProgram.with(server, resumable, address: proxy.address) { terminal in
                try await terminal.shows("berth: execution ")
                try await terminal.shows("$ ")
                id = String(terminal.screen.split(separator: "berth: execution ")[0].prefix { $0.isHexDigit })
                terminal.type("x=42\r")
                try await terminal.shows("x=42\r\n")
                proxy.cut()
                terminal.type("echo x-$x\r")
                try await terminal.shows("connected again")
                try await terminal.shows("x-42\r\n")
                terminal.type("\r~.")
                #expect(try await terminal.end() == 0)
            }
            try await TerminalProgram.with(server, ["attach", "-it", id]) { terminal in
                let modes = terminal.modes
                try await eventually("the shell answers") {
                    terminal.type("echo again-$x\r")
                    try await Task.sleep(for: .milliseconds(50))
                    return terminal.screen.contains("again-42\r\n")
                }
                terminal.type("exit 9\r")
                #expect(try await terminal.end() == 9)
                #expect(terminal.modes == modes)
            }
        }
    }
}
