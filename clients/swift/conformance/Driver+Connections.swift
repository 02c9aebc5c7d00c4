// SPDX-License-Identifier: Apache-2.0

import Berth

/// A connection, and what came of it and was not yet shown.
final class Connected {
    let connection: ContainerConnection
    private var pieces: ContainerConnection.AsyncIterator
    var kept: [UInt8] = []
    private(set) var end: String?

    init(_ connection: ContainerConnection) {
        self.connection = connection
        pieces = connection.makeAsyncIterator()
    }

    /// Takes what comes, until so much is there, or the end.
    func take(_ count: Int) async throws {
        while kept.count < count, end == nil {
            do {
                if let piece = try await pieces.next() { kept += piece } else { end = "end" }
            } catch let error as BerthError {
                end = error.code == .aborted ? "reset" : "aborted"
            }
        }
    }
}

extension Driver {
    /// - Returns: false for a verb that is not known.
    func performOnConnection(_ step: inout Step) async throws -> Bool {
        switch step.verb {
        case "dial": try await dial(&step)
        case "send":
            let (name, connected) = try connection(&step)
            let data = repeated(step.bytes("data") ?? [], step.number("repeat"))
            say("send \(name)" + (await send(data, isLast: step.isSet("end"), to: connected.connection)))
        case "receive":
            let (name, connected) = try connection(&step)
            try await receive(name, connected, step.number("bytes") ?? .max)
        case "exchange":
            let (name, connected) = try connection(&step)
            let data = repeated(step.bytes("data") ?? [], step.number("repeat"))
            let connection = connected.connection
            let sending = Task { await send(data, isLast: true, to: connection) }
            try await receive(name, connected, .max)
            _ = await sending.value
        case "hang-up":
            let (name, connected) = try connection(&step)
            connected.connection.close()
            say("hung-up \(name)")
        default: return false
        }
        return true
    }

    private func connection(_ step: inout Step) throws -> (name: String, connected: Connected) {
        let name = step.text("conn") ?? ""
        guard let found = connections[name] else { throw Failed(description: "there is no connection \(name)") }
        return (name, found)
    }

    private func dial(_ step: inout Step) async throws {
        let (_, lease, client) = try lease(&step)
        let name = step.text("as") ?? ""
        let (wait, timeout, idle) = (step.time("wait") ?? .zero, step.time("timeout"), step.time("idle_timeout"))
        let window = step.number("window") ?? BerthClient.standardWindow
        let made: ContainerConnection
        if let port = step.number("port") {
            made = try await client.connect(
                port: port, in: lease, wait: wait, timeout: timeout, idleTimeout: idle, window: window)
        } else {
            made = try await client.connect(
                unix: step.path(), in: lease, wait: wait, timeout: timeout, idleTimeout: idle, window: window)
        }
        connections[name] = Connected(made)
        say("dialled \(name)")
    }

    private func receive(_ name: String, _ connected: Connected, _ count: Int) async throws {
        try await connected.take(count)
        let taken = Array(connected.kept.prefix(count))
        connected.kept = Array(connected.kept.dropFirst(count))
        if !taken.isEmpty { say("\(name) received \(shown(taken))") }
        if let end = connected.end, connected.kept.isEmpty { say("\(name) \(end)") }
    }
}

/// What a step's line adds: nothing, or how it failed.
private func send(_ data: [UInt8], isLast: Bool, to connection: ContainerConnection) async -> String {
    do {
        if isLast { try await connection.finish(after: data) } else { try await connection.write(data) }
        return ""
    } catch {
        return error.code == .failedPrecondition || error.code == .notFound ? " broken" : " aborted"
    }
}
