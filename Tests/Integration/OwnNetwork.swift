// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport

/// A network with nothing but its loopback, which can be cut as a cable is: no word of it reaches either end.
final class OwnNetwork: Sendable {
    private let holder: Program

    private init() throws {
        let script = "ip link set lo up && echo up && exec sleep infinity"
        holder = try Program(try tool("unshare"), ["--net", try tool("sh"), "-c", script])
    }

    static func with(_ body: (OwnNetwork) async throws -> Void) async throws {
        let network = try OwnNetwork()
        defer { network.holder.signal(SIGKILL) }
        try await eventually("the network is there") {
            guard network.holder.isRunning else { throw NeverHappened(description: network.holder.err) }
            return network.holder.out == "up\n"
        }
        try await body(network)
    }

    /// What runs the command after it in this network.
    func entering() throws -> [String] { [try tool("nsenter"), "--net=/proc/\(holder.pid)/ns/net", "--"] }

    func cut() async throws { try await set("down") }
    func mend() async throws { try await set("up") }

    private func set(_ state: String) async throws {
        let command = try entering() + [try tool("ip"), "link", "set", "lo", state]
        let program = try Program(command[0], Array(command.dropFirst()))
        guard try await program.end() == 0 else { throw NeverHappened(description: program.err) }
    }
}
