// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import FileTree
import Foundation
import TestSupport

/// A writable place for file operations: a tmpfs that is mounted for one real agent. Tests see its content through the
/// agent's /proc entry.
final class FilesPlace {
    let agent: AgentProcess
    /// Its path for the agent.
    let path: String
    private let mountPoint: String

    struct Outcome {
        var out: [UInt8]
        var reports: [FileReport]
        var ended: Agent.Ended

        var text: String { String(decoding: out, as: UTF8.self) }
        /// gRPC's status code; 0 on success.
        var code: Int32 {
            if case .failure(let code, _, _)? = reports.last { return code }
            return ended.cause == .exited ? ended.exitCode : -1
        }
        var reason: ErrorReason? {
            if case .failure(_, let reason, _)? = reports.last { return ErrorReason(rawValue: reason) }
            return nil
        }
        var message: String {
            if case .failure(_, _, let message)? = reports.last { return message }
            return ""
        }
        var info: FileInfo? {
            if case .info(let info)? = reports.first { return info }
            return nil
        }
    }

    init(size: String = "64m") throws {
        mountPoint = "/tmp/berth-place-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(atPath: mountPoint, withIntermediateDirectories: true)
        path = mountPoint
        let mount = "mount -t tmpfs -o mode=1777,size=\(size),nr_inodes=200k tmpfs \(mountPoint) && exec \"$@\""
        agent = try AgentProcess(wrapper: ["unshare", "-m", "sh", "-c", mount, "sh"])
        // Mounted once it answers.
        _ = try agent.call("Ping", Agent.PingRequest())
    }

    deinit {
        agent.closeStream()
        _ = agent.waitForExit(within: 5)
        rmdir(mountPoint)
    }

    /// Its path for the tests.
    var outside: String { "/proc/\(agent.pid)/root\(path)" }

    func contents(_ directory: String = "") throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: outside + directory).sorted()
    }

    /// Runs an operation and waits for its end.
    /// - Parameter input: pieces of input; nil: no input, and no end of it.
    func run(_ operation: FileOperation, input: [[UInt8]]? = nil, uid: UInt32 = 1000) throws -> Outcome {
        let started = try start(operation, input: input, uid: uid)
        return try finish(started)
    }

    func start(
        _ operation: FileOperation, input: [[UInt8]]? = nil, keepsOpen: Bool = false, uid: UInt32 = 1000
    ) throws -> (execution: UInt64, streamID: UInt32) {
        try agent.start(system: ["/proc/self/exe"] + operation.arguments) { request in
            (request.uid, request.gid) = (uid, uid)
            request.env = []
            request.keepsStdinOpen = keepsOpen
            guard let input else { return }
            request.stdin =
                input.flatMap { FileOperation.header($0.count) + $0 } + (keepsOpen ? [] : FileOperation.header(0))
        }
    }

    func finish(_ started: (execution: UInt64, streamID: UInt32)) throws -> Outcome {
        let outcome = try agent.finish(started)
        var rest = outcome.stderr
        var reports: [FileReport] = []
        while let report = try FileReport.next(from: &rest) { reports.append(report) }
        return Outcome(out: outcome.stdout, reports: reports, ended: outcome.ended)
    }

    func write(_ name: String, _ bytes: [UInt8], mode: UInt32 = 0o644) throws -> Outcome {
        try run(
            .write(path: SystemString("\(path)/\(name)"), mode: mode, createsParents: false),
            input: stride(from: 0, to: bytes.count, by: 200_000).map {
                Array(bytes[$0..<min($0 + 200_000, bytes.count)])
            })
    }

    /// Runs a shell script as a program of the container.
    @discardableResult
    func shell(_ script: String, uid: UInt32 = 1000) throws -> AgentProcess.Outcome {
        try agent.run(shell: "cd \(path) && \(script)") { request in
            (request.uid, request.gid) = (uid, uid)
        }
    }

    /// All entries of a directory, from the operation that lists them.
    func list(_ directory: String = "") throws -> [FileInfo] {
        let bytes = try run(.list(path: SystemString(path + directory))).out
        var entries: [FileInfo] = []
        var start = 0
        while start < bytes.count {
            let length = bytes[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
            entries += try ListDirectoryResponse(decoding: Array(bytes[start + 4..<start + 4 + length])).entries
            start += 4 + length
        }
        return entries
    }
}
