// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TestSupport

/// The programs of the build, installed in a directory of their own, where others can take their places.
struct InstalledPrograms {
    let folder: String

    /// Runs `body` with a server that was installed in its own directory.
    static func withServer(
        _ on: Runtime, _ arguments: [String], _ body: (InstalledPrograms, ServerProcess) async throws -> Void
    ) async throws {
        let installed = InstalledPrograms(folder: "/tmp/berth-installed-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(atPath: installed.folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: installed.folder) }
        for name in ["berth", "berth-full", "berth-agent", "berth-launcher"] {
            try FileManager.default.copyItem(
                atPath: BuildProducts.program(name), toPath: "\(installed.folder)/\(name)")
        }
        try await ServerProcess.with(on, arguments, berth: "\(installed.folder)/berth") { server in
            try await body(installed, server)
        }
    }

    /// Installs another file as the program of servers, as a package manager does: the one before is no longer there, but runs.
    func install(_ source: String, cutTo count: Int? = nil) throws {
        let new = "\(folder)/new"
        var data = try Data(contentsOf: URL(fileURLWithPath: source))
        if let count { data = data.prefix(count) }
        try data.write(to: URL(fileURLWithPath: new))
        chmod(new, 0o755)
        guard rename(new, "\(folder)/berth-full") == 0 else { throw NeverHappened(description: "rename") }
    }

    /// Installs the build again, and upgrades a server to it.
    /// - Returns: how long callers waited, in milliseconds, as the server says.
    @discardableResult
    func upgrade(_ server: ServerProcess) async throws -> Int {
        let word = "the server was upgraded in place"
        let before = server.program.err.components(separatedBy: word).count
        try install(BuildProducts.program("berth-full"))
        server.program.signal(SIGHUP)
        try await eventually("the server is upgraded, says: \(server.program.err.suffix(2000))") {
            server.program.err.components(separatedBy: word).count > before
        }
        let line = server.program.err.split(separator: "\n").last { $0.contains(word) } ?? ""
        let pause = line.split(separator: " ").first { $0.hasPrefix("pause.ms=") }?.dropFirst("pause.ms=".count)
        return pause.flatMap { Int($0) } ?? .max
    }

    /// Asks a server to upgrade, and waits until it says why it does not.
    func refusedUpgrade(_ server: ServerProcess) async throws -> String {
        let word = "the server is not upgraded"
        let before = server.program.err.components(separatedBy: word).count
        server.program.signal(SIGHUP)
        try await eventually("the server says why not") {
            server.program.err.components(separatedBy: word).count > before
        }
        return server.program.err.split(separator: "\n").last { $0.contains(word) }.map(String.init) ?? ""
    }
}
