// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
internal import BerthRPC
internal import BerthSchema
public import NIOCore
public import Pool

/// Turns the byte stream to an agent into an `AgentConnection` that has answered its first ping.
public struct AgentConnector: MemberConnector {
    private let group: any EventLoopGroup

    /// - Parameter group: the event loops on which connections are handled.
    public init(group: any EventLoopGroup) {
        self.group = group
    }

    public func connect(
        _ member: MemberID, _ stream: consuming MemberStream, onClose: @escaping @Sendable () -> Void
    ) async throws(RuntimeError) -> any MemberLink {
        let (user, memoryKills) = (stream.user, stream.memoryKills)
        let (input, output) = stream.take()
        let rpc: ClientConnection
        var limits = ClientConnection.Limits()
        // An agent that was taken over may read nothing: what callers send it is not to gather here without a bound.
        limits.maxPendingBytes = 16 << 20
        limits.maxCalls = 8192
        do {
            rpc = try await ClientConnection.adopt(input: input, output: output, group: group, limits: limits)
        } catch {
            throw RuntimeError(.failed, "the stream to the container could not be opened: \(error)")
        }
        // A cancelled create (its time-out has passed) closes the stream, which ends the ping below.
        let answer: Result<Agent.PingResponse, RPCError> = await withTaskCancellationHandler {
            do throws(RPCError) {
                return .success(try await rpc.unary(AgentService.ping, Agent.PingRequest()))
            } catch {
                return .failure(error)
            }
        } onCancel: {
            rpc.close()
        }
        switch answer {
        case .success(let response):
            let connection = AgentConnection(
                member: member, rpc: rpc, imageEnvironment: response.env, user: user, memoryKills: memoryKills)
            rpc.onClose.whenComplete { _ in onClose() }
            return connection
        case .failure(let error):
            rpc.close()
            throw RuntimeError(.failed, "the agent in the container did not answer: \(error.message)")
        }
    }
}
