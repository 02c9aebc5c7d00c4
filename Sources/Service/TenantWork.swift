// SPDX-License-Identifier: Apache-2.0

internal import Access
internal import AgentLink
internal import AgentSchema
internal import BerthRPC
internal import Pool

/// Something that a call makes run in a container, in the limits of its tenant: a program, a connection, a context, a piece of
/// code in it, an operation on files. Whatever is sent to an agent to be run has one first.
struct TenantWork: Sendable {
    /// Nil without tenants.
    private let tenant: Tenant?
    private let isExecution: Bool
    /// Tells the tenant what CPU time the member uses; nil: what the agent says at the end counts instead.
    private let meter: CPUMeter?

    /// Counts it, until `end`, which must follow.
    /// - Parameters:
    ///   - link: of the member that it runs in.
    ///   - context: the context that it runs in, which counts already; nil for all else.
    /// - Throws: RESOURCE_EXHAUSTED at a limit of the tenant.
    init(_ session: Session, on link: AgentConnection, in context: ServedContext? = nil) throws(RPCError) {
        isExecution = context == nil
        tenant = session.tenant
        meter = tenant == nil ? nil : link.cpu.flatMap { $0.isCounting ? $0 : nil }
        do throws(LimitReached) {
            if isExecution { try tenant?.begin() } else { try tenant?.mayGoOn() }
        } catch {
            throw RPCError(error)
        }
    }

    /// A program that goes on, which counts whatever the limits are now.
    init(goingOn tenant: Tenant, on link: AgentConnection?) {
        self.tenant = tenant
        isExecution = true
        meter = link?.cpu.flatMap { $0.isCounting ? $0 : nil }
        tenant.goOn()
    }

    /// Whose it is.
    var owner: String? { tenant?.name }

    /// - Parameter ended: how it ended, with what it has used; nil if it has used nothing.
    func end(_ ended: Agent.Ended? = nil) {
        if isExecution { tenant?.ended() }
        if let ended { charge(ended) }
    }

    /// Adds what it has used to what its tenant has.
    private func charge(_ ended: Agent.Ended) {
        guard let tenant else { return }
        var use = Tenant.Use(ended)
        if let meter {
            use.cpuMicroseconds = 0
            meter.settle()
        }
        tenant.charge(use)
    }

    /// Adds CPU time that no end of its pieces had, in microseconds.
    func charge(rest: UInt64) {
        if meter == nil, rest > 0 { tenant?.charge(Tenant.Use(cpuMicroseconds: rest)) }
    }
}

extension Agent.Ended {
    /// What it says of CPU time, in microseconds. More than a day on 10 000 cores is not believed: an agent may say what it
    /// likes.
    var cpuMicroseconds: UInt64 {
        let most: UInt64 = 86400 * 1_000_000 * 10_000
        return min(userMicroseconds, most) + min(systemMicroseconds, most)
    }
}

extension Tenant.Use {
    private static let mostOutput: UInt64 = 1 << 50

    /// What an execution has used.
    fileprivate init(_ ended: Agent.Ended) {
        self.init(
            cpuMicroseconds: ended.cpuMicroseconds,
            outputBytes: min(ended.stdoutBytes, Self.mostOutput) + min(ended.stderrBytes, Self.mostOutput))
    }
}
