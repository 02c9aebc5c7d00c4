// SPDX-License-Identifier: Apache-2.0

internal import BerthRPC
internal import BerthSchema
internal import GatedLog
internal import Logging
internal import Pool

/// The service `berth.v1.Admin`: changes by an operator while the server runs. Each is logged with the client that made it.
final class AdminServiceHandler: Sendable {
    private let fleet: Fleet
    private let gate: LogGate

    init(fleet: Fleet, gate: LogGate) {
        self.fleet = fleet
        self.gate = gate
    }

    /// - Throws: the error to answer the call with.
    func route(_ call: ServerCall, to method: AdminService.Method) throws(RPCError) {
        switch method {
        case .resetBackoff: try resetBackoff(call)
        case .resize: try resize(call)
        case .drain: try drain(call)
        case .listMembers: try listMembers(call)
        }
    }

    private func resetBackoff(_ call: ServerCall) throws(RPCError) {
        let request = try call.decode(ResetBackoffRequest.self)
        let name = request.pool.isEmpty ? nil : request.pool
        let open = fleet.snapshot().filter { (name ?? $0.name) == $0.name && $0.breaker != .closed }.map(\.name)
        guard fleet.resetBackoff(pool: name) else { throw .unknownPool(request.pool, known: fleet.poolNames) }
        log("breaker closed by an operator", call, ["pool.names": "\(open.joined(separator: ", "))"])
        call.respond(ResetBackoffResponse(pools: open))
    }

    private func resize(_ call: ServerCall) throws(RPCError) {
        let request = try call.decode(ResizeRequest.self)
        let before = try find(request.pool)
        guard request.size != nil || request.max != nil else {
            throw RPCError(.invalidArgument, "neither size nor max is given: at least one has to change")
        }
        let size = request.size.map { Int($0) } ?? before.target
        let max = request.max.map { Int($0) } ?? before.max
        guard max > 0 else {
            throw RPCError(.invalidArgument, "max is 0: it is at least 1; Drain takes a pool out of service")
        }
        let most = fleet.configuration.max
        guard request.max == nil || max <= most else {
            throw RPCError(.invalidArgument, "max \(max) is more than the server's most members, \(most)")
        }
        guard size <= max else {
            let words =
                switch (request.size, request.max) {
                case (_?, _?): "size \(size) is more than max \(max)"
                case (_?, nil): "size \(size) is more than the pool's max, \(max): give a larger max too"
                case (nil, _): "max \(max) is less than the pool's size, \(size): give a smaller size too"
                }
            throw RPCError(.invalidArgument, words)
        }
        guard fleet.resize(pool: request.pool, size: request.size.map { Int($0) }, max: request.max.map { Int($0) })
        else { throw .unknownPool(request.pool, known: fleet.poolNames) }
        log(
            "pool resized by an operator", call,
            ["pool.name": "\(request.pool)", "pool.size": "\(size)", "pool.max": "\(max)"])
        call.respond(ResizeResponse(size: UInt32(clamping: size), max: UInt32(clamping: max)))
    }

    private func drain(_ call: ServerCall) throws(RPCError) {
        let request = try call.decode(DrainRequest.self)
        let before = try find(request.pool)
        guard fleet.drainPool(before.name) else { throw .unknownPool(request.pool, known: fleet.poolNames) }
        log("pool drained by an operator", call, ["pool.name": "\(request.pool)", "pool.leased": "\(before.leased)"])
        call.respond(DrainResponse(leased: UInt32(clamping: before.leased)))
    }

    private func listMembers(_ call: ServerCall) throws(RPCError) {
        let request = try call.decode(ListMembersRequest.self)
        // Including pools that are no longer configured and still have members.
        let names = fleet.snapshot().map(\.name)
        guard request.pool.isEmpty || names.contains(request.pool) else {
            throw .unknownPool(request.pool, known: names)
        }
        let members = fleet.listMembers(pool: request.pool.isEmpty ? nil : request.pool)
        call.respond(ListMembersResponse(members: members.map(Member.init)))
    }

    /// Finds a pool by its name, which must be given: calls that remove members have no default pool.
    private func find(_ name: String) throws(RPCError) -> PoolSnapshot {
        let known = fleet.poolNames
        guard !name.isEmpty else {
            throw RPCError(.invalidArgument, "no pool is named; there is: \(known.joined(separator: ", "))")
        }
        guard known.contains(name), let found = fleet.snapshot().first(where: { $0.name == name }) else {
            throw .unknownPool(name, known: known)
        }
        return found
    }

    private func log(_ message: String, _ call: ServerCall, _ metadata: Logger.Metadata) {
        gate.log(
            .notice, message, burst: 20,
            metadata: metadata.merging(["connection.peer": "\(call.connection.peer)"]) { mine, _ in mine })
    }
}

extension Member {
    init(_ member: MemberInfo) {
        let state: MemberState =
            switch member.state {
            case .starting: .starting
            case .idle: .idle
            case .leased: .leased
            case .resetting: .resetting
            case .stopping: .stopping
            }
        self.init(
            id: member.id.description, pool: member.pool, state: state, ageMilliseconds: member.age.wholeMilliseconds,
            uses: UInt32(clamping: member.uses), isOutdated: member.isOutdated)
    }
}
