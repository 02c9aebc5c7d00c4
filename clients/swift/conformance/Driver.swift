// SPDX-License-Identifier: Apache-2.0

import Berth

/// What has no line of its own.
struct Failed: Error, CustomStringConvertible {
    let description: String
}

/// Does the steps of one scenario, and prints what comes of them.
final class Driver {
    private var clients: [String: BerthClient]
    var leases: [String: (lease: Lease, client: String)] = [:]
    var contexts: [String: (context: Context, lease: String)] = [:]
    var watched: [String: Watched] = [:]
    var archives: [String: [UInt8]] = [:]
    var connections: [String: Connected] = [:]

    init() throws { clients = ["main": try BerthClient()] }

    func replay(_ name: String, _ lines: [String]) async {
        say("scenario \(name)")
        for line in lines { await replay(Step(line)) }
        for client in clients.values { client.close() }
        say("end")
    }

    private func replay(_ step: Step) async {
        var step = step
        let began = ContinuousClock.now
        let limit = step.time("within")
        let givesReason = step.isSet("reason")
        let name = step.failureName
        do {
            if try await !perform(&step) { say("unsupported \(step.verb)") } else { tellUnused(step) }
        } catch let error as BerthError {
            say("\(name) error \(error.code.name)" + (givesReason ? " reason=\(error.reason?.name ?? "NONE")" : ""))
        } catch {
            say("failed \(quoted("\(error)".utf8))")
        }
        if let limit, ContinuousClock.now - began > limit { say("late") }
    }

    private func tellUnused(_ step: Step) {
        for key in step.unused { say("unsupported \(step.verb) \(key)") }
    }

    /// - Returns: false for a verb that is not known.
    private func perform(_ step: inout Step) async throws -> Bool {
        switch step.verb {
        case "connect": try connect(&step)
        case "close": try close(&step)
        case "hello": say("hello pools=" + (try await client(&step).hello().pools.joined(separator: ",")))
        case "acquire": try await acquire(&step)
        case "token": leases[step.text("as") ?? ""] = (Lease(token: step.text("token") ?? ""), "main")
        case "renew": try await renew(&step)
        case "release": try await release(&step)
        case "executions": try await executions(&step)
        case "stats": try await stats(&step)
        case "await": try await waitForStats(&step)
        case "world": try changeWorld(&step)
        default:
            if try await performOnProgram(&step) { return true }
            if try await performOnContext(&step) { return true }
            if try await performOnConnection(&step) { return true }
            return try await performOnFile(&step)
        }
        return true
    }

    // MARK: Who is meant

    func client(_ step: inout Step) throws -> BerthClient { try client(step.text("client") ?? "main") }

    func client(_ name: String) throws -> BerthClient {
        guard let client = clients[name] else { throw Failed(description: "there is no client \(name)") }
        return client
    }

    /// The step's lease, and the client that it is used with.
    func lease(_ step: inout Step) throws -> (name: String, lease: Lease, client: BerthClient) {
        let name = step.text("lease") ?? ""
        guard let (lease, client) = leases[name] else { throw Failed(description: "there is no lease \(name)") }
        return (name, lease, try self.client(step.text("client") ?? client))
    }

    func execution(_ step: inout Step) throws -> (name: String, watched: Watched) {
        let name = step.text("exec") ?? ""
        guard let watched = watched[name] else { throw Failed(description: "there is no execution \(name)") }
        return (name, watched)
    }

    // MARK: Clients and leases

    private func connect(_ step: inout Step) throws {
        var configuration = BerthClient.Configuration()
        if let time = step.time("connect_timeout") { configuration.connectTimeout = time }
        let name = step.text("as") ?? ""
        do {
            let address = if let text = step.text("address") { try ServerAddress(text) } else { ServerAddress?.none }
            clients[name] = try BerthClient(address: address, configuration: configuration)
            say("connected \(name)")
        } catch {
            say("connect \(name) refused \(shown(Array(error.message.utf8)))")
        }
    }

    private func close(_ step: inout Step) throws {
        let name = step.text("client") ?? ""
        try client(name).close()
        say("closed \(name)")
    }

    private func acquire(_ step: inout Step) async throws {
        let (name, client) = (step.text("as") ?? "", step.text("client") ?? "main")
        let lease = try await self.client(client).acquire(
            pool: step.text("pool"), wait: step.time("wait"), isDetached: step.isSet("detached"),
            leaseTime: step.time("ttl"))
        leases[name] = (lease, client)
        say("acquired \(name)")
    }

    private func renew(_ step: inout Step) async throws {
        let (name, lease, client) = try lease(&step)
        try await client.renew(lease, leaseTime: step.time("ttl"))
        say("renewed \(name)")
    }

    private func release(_ step: inout Step) async throws {
        let (name, lease, client) = try lease(&step)
        try await client.release(lease)
        say("released \(name)")
    }

    private func executions(_ step: inout Step) async throws {
        let (_, lease, client) = try lease(&step)
        let all = try await client.executions(in: lease)
        let running = all.filter { $0.ended == nil }.count
        say("executions running=\(running) ended=\(all.count - running)")
    }

    // MARK: The server

    private func stats(_ step: inout Step) async throws {
        let fields = step.all("field").map { String(decoding: $0, as: UTF8.self) }
        let stats = try await client(&step).stats()
        say("stats " + fields.map { "\($0)=\(value(of: $0, in: stats))" }.joined(separator: " "))
    }

    private func waitForStats(_ step: inout Step) async throws {
        let (field, wanted) = (step.text("field") ?? "", step.text("value") ?? "")
        let end = ContinuousClock.now + (step.time("timeout") ?? .seconds(5))
        let client = try client(&step)
        var found = value(of: field, in: try await client.stats())
        while found != wanted, ContinuousClock.now < end {
            try await Task.sleep(for: .milliseconds(20))
            found = value(of: field, in: try await client.stats())
        }
        say("await \(field)=\(found)")
    }

    private func value(of field: String, in stats: StatsResponse) -> String {
        guard let pool = stats.pools.first else { return "?" }
        let subject: Any = ["connections", "executions"].contains(field) ? stats as Any : pool as Any
        let child = Mirror(reflecting: subject).children.first { $0.label == camelCase(field) }
        return child.map { snakeCase("\($0.value)") } ?? "?"
    }

    private func changeWorld(_ step: inout Step) throws {
        say("@\(step.text("action") ?? "")")
        guard readLine() != nil else { throw Failed(description: "stdin ended while the world was to change") }
    }
}
