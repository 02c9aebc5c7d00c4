// SPDX-License-Identifier: Apache-2.0

internal import Access
internal import AgentSchema
internal import BerthRPC

/// Something that a call makes run in a container, in the limits of its tenant: a program, a connection, a context, a piece of
/// code in it, an operation on files. Whatever is sent to an agent to be run has one first.
struct TenantWork: Sendable {
    /// Nil without tenants.
    private let tenant: Tenant?
    private let isExecution: Bool

    /// Counts it, until `end`, which must follow.
    /// - Parameter context: the context that it runs in, which counts already; nil for all else.
    /// - Throws: RESOURCE_EXHAUSTED at a limit of the tenant.
    init(_ session: Session, in context: ServedContext? = nil) throws(RPCError) {
        isExecution = context == nil
        tenant = session.tenant
        do throws(LimitReached) {
            if isExecution { try tenant?.begin() } else { try tenant?.mayGoOn() }
        } catch {
            throw RPCError(error)
        }
    }

    /// - Parameter ended: how it ended, with what it has used; nil if it has used nothing.
    func end(_ ended: Agent.Ended? = nil) {
        if isExecution { tenant?.ended() }
        if let ended { charge(ended) }
    }

    /// Adds what it has used to what its tenant has.
    func charge(_ ended: Agent.Ended) { tenant?.charge(Tenant.Use(ended)) }
}

extension Tenant.Use {
    /// More than a day of CPU time on 10 000 cores is not believed: an agent may say what it likes.
    private static let mostTime: UInt64 = 86400 * 1_000_000 * 10_000
    private static let mostOutput: UInt64 = 1 << 50

    /// What an execution has used.
    fileprivate init(_ ended: Agent.Ended) {
        self.init(
            cpuMicroseconds: min(ended.userMicroseconds, Self.mostTime) + min(ended.systemMicroseconds, Self.mostTime),
            outputBytes: min(ended.stdoutBytes, Self.mostOutput) + min(ended.stderrBytes, Self.mostOutput))
    }
}
