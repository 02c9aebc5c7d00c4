// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import Testing

@Suite("Messages about executions and files")
struct ExecutionMessageTests {
    private func survives<M: Message>(_ message: M, sourceLocation: SourceLocation = #_sourceLocation) throws {
        #expect(try M(decoding: message.encoded()) == message, sourceLocation: sourceLocation)
    }

    @Test("every message about a running execution survives encoding and decoding")
    func executions() throws {
        try survives(Started(execution: "e", member: "m", watcher: 3))
        try survives(
            AttachRequest(
                lease: "l", execution: "e", stdoutOffset: 1, stderrOffset: 2, isFromNow: true, windowBytes: 3,
                isObserver: true))
        try survives(DetachRequest(lease: "l", execution: "e", watcher: 1))
        try survives(
            AcknowledgeRequest(lease: "l", execution: "e", watcher: 1, stdoutOffset: .max, stderrOffset: 2))
        try survives(InputRequest(lease: "l", execution: "e", offset: 1, data: [0, 255], isEnd: true))
        try survives(InputResponse(offset: .max))
        try survives(ResizeTerminalRequest(lease: "l", execution: "e", terminal: Terminal(rows: 24, columns: 80)))
        try survives(ListExecutionsRequest(lease: "l"))
        try survives(
            ListExecutionsResponse(executions: [
                ExecutionInfo(
                    execution: "e", argv: ["a", "b"], ageMilliseconds: 1, watchers: 2, stdoutBytes: 3, stderrBytes: 4,
                    stdoutHeldFrom: 5, stderrHeldFrom: 6, resumableMilliseconds: 7, ended: Ended(cause: .exited)),
                ExecutionInfo(execution: "f"),
            ]))
    }

    @Test("every message about files survives encoding and decoding")
    func files() throws {
        let info = FileInfo(
            name: "n", type: .symbolicLink, size: 1, mode: 0o755, modifiedMicroseconds: -2, uid: 3, gid: 4,
            linkTarget: [0xff])
        try survives(
            WriteFileRequest(
                lease: "l", path: "/p", data: [1], mode: 0o600, createsParents: true, hasMore: true, upload: "u",
                offset: 2))
        try survives(WriteFileResponse(upload: "u", offset: 3))
        try survives(ReadFileRequest(lease: "l", path: "/p", offset: 1, length: 2, windowBytes: 3))
        try survives(FileEvent.start(FileStart(execution: "e", watcher: 1, info: info)))
        try survives(FileEvent.start(FileStart(execution: "e")))
        try survives(FileEvent.output(Output(offset: 1, data: [2])))
        try survives(FileEvent.end(FileEnd(bytes: 3)))
        try survives(ListDirectoryRequest(lease: "l", path: "/p"))
        try survives(ListDirectoryResponse(entries: [info, FileInfo(name: "b", type: .directory)]))
        try survives(RemoveFileRequest(lease: "l", path: "/p", isRecursive: true))
        try survives(
            WriteArchiveRequest(lease: "l", path: "/p", data: [1], hasMore: true, upload: "u", offset: 2))
        try survives(WriteArchiveResponse(upload: "u", offset: 1, files: 2))
        try survives(ReadArchiveRequest(lease: "l", path: "/p", windowBytes: 1))
    }

    @Test("every message to the agent about input survives encoding and decoding")
    func agentInput() throws {
        try survives(
            Agent.ExecuteRequest(
                execution: 1, argv: ["a"], keepsStdinOpen: true,
                terminal: Agent.Terminal(rows: 1, columns: 2, hidesInput: true),
                maxOutputBytes: 3, killsAtMaxOutput: true, idleTimeoutMilliseconds: 4, cpuTimeMilliseconds: 5,
                keepsBackground: true, mergesOutput: true, outputGraceMilliseconds: 6, outputGraceMaxMilliseconds: 7))
        try survives(Agent.InputRequest(execution: 1, offset: 2, data: [3], isEnd: true))
        try survives(Agent.InputResponse(offset: 4))
        try survives(Agent.ResizeRequest(execution: 1, terminal: Agent.Terminal(rows: 5, columns: 6)))
        try survives(
            Agent.ExecuteEvent.ended(
                Agent.Ended(cause: .idleTimeout, stdoutTruncated: 1, stderrTruncated: 2, outOfMemoryKills: 3)))
    }

    @Test("output has the same bytes in all three contracts that carry it")
    func verbatim() {
        let data: [UInt8] = [1, 2, 3]
        let event = ExecuteEvent.output(Output(stream: .stdout, offset: 300, data: data)).encoded()
        #expect(event == FileEvent.output(Output(stream: .stdout, offset: 300, data: data)).encoded())
        #expect(event == Agent.ExecuteEvent.output(Agent.Output(stream: 0, offset: 300, data: data)).encoded())
    }
}
