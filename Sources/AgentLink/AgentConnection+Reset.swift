// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthRPC
internal import BerthSchema
internal import NIOCore
public import Pool
internal import Synchronization

extension AgentConnection {
    /// Maximum time that the agent may take for a reset and its proof; the pool's own timeouts are no longer than this.
    private static let resetLimit: TimeAmount = .seconds(30)
    static let answerLimit: TimeAmount = .seconds(30)

    /// Pings the agent. Returns when it has answered. Cancelling the task ends the wait.
    /// - Throws: `failed` if it answers with an error, or not within 30 s.
    public func ping() async throws(MemberLinkError) {
        let answer = try await ask(AgentService.ping, Agent.PingRequest(), within: Self.answerLimit)
        // If its environment has changed, it is no longer the agent that was connected to.
        guard answer.env == imageEnvironment.entries else { throw refuse("its environment has changed") }
    }

    /// Resets the member to the state after its start. Returns when the agent has proven that.
    ///
    /// Running executions end as cancelled before it returns. Cancelling the task ends the wait, not the reset: a member
    /// whose reset has not returned without an error must not be used again.
    /// - Throws: `failed`, with what could not be proven; `unsupported` if the agent has no reset.
    public func reset() async throws(MemberLinkError) {
        // What a lease has left is the work of who had it.
        defer { cpu?.end(isOver: false) }
        let limit = UInt64(Self.resetLimit.nanoseconds / 1_000_000)
        let answer = try await ask(
            AgentService.reset, Agent.ResetRequest(timeoutMilliseconds: limit), within: Self.resetLimit + .seconds(1))
        guard answer.tookMicroseconds <= (limit + 1000) * 1000 else {
            throw refuse("a reset that took longer than time")
        }
        guard openExecutions == 0, openConnections == 0 else { throw refuse("a reset with executions under way") }
    }

    private func ask<Q, A>(
        _ method: UnaryMethod<Q, A>, _ request: Q, within limit: TimeAmount
    ) async throws(MemberLinkError) -> A {
        do throws(RPCError) {
            return try await rpc.unary(method, request, timeout: limit)
        } catch {
            if error.code == .unimplemented { throw .unsupported }
            throw .failed("\(method.name.lowercased()): \(error.message)")
        }
    }

    private func refuse(_ what: String) -> MemberLinkError {
        violate(what)
        return .failed("the container broke the protocol: \(what)")
    }
}
