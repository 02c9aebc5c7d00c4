// SPDX-License-Identifier: Apache-2.0

public import AgentSchema
package import BerthRPC
internal import BerthSchema
public import NIOCore
public import Pool

/// Turns the byte stream to an agent into an `AgentConnection` that has answered its first ping.
public struct AgentConnector: MemberConnector {
    /// What the agent is asked for that is to start an interpreter in a member.
    public typealias WarmRequest =
        @Sendable (WarmInterpreter, _ home: String, _ image: ImageEnvironment, _ user: MemberUser?) -> Agent.WarmRequest

    /// How the stream to a member's agent is opened.
    package typealias Opening =
        @Sendable (MemberID, consuming MemberStream, ClientConnection.Limits) async throws(RPCError) -> ClientConnection

    private let open: Opening
    private let warmRequest: WarmRequest?

    /// - Parameters:
    ///   - group: the event loops on which connections are handled.
    ///   - warmRequest: nil if interpreters are not started beforehand.
    public init(group: any EventLoopGroup, warmRequest: WarmRequest? = nil) {
        self.init(warmRequest: warmRequest) { _, stream, limits throws(RPCError) in
            let (input, output) = stream.take()
            return try await ClientConnection.adopt(input: input, output: output, group: group, limits: limits)
        }
    }

    /// Variant for streams that are not descriptors.
    package init(warmRequest: WarmRequest? = nil, open: @escaping Opening) {
        self.open = open
        self.warmRequest = warmRequest
    }

    public func warm(_ link: any MemberLink, _ template: MemberTemplate) async throws(RuntimeError) {
        guard let warmRequest, let link = link as? AgentConnection else { return }
        for interpreter in template.interpreters {
            let request = warmRequest(interpreter, template.home, link.imageEnvironment, link.user)
            let answer: Result<Agent.WarmResponse, RPCError> = await withTaskCancellationHandler {
                do throws(RPCError) {
                    return .success(try await link.rpc.unary(AgentService.warm, request))
                } catch {
                    return .failure(error)
                }
            } onCancel: {
                link.close(.retired)
            }
            let failure: RuntimeError
            switch answer {
            case .success(let response) where response.failure.isEmpty: continue
            case .success(let response):
                // A traceback, on one line.
                let words = response.failure.split(separator: "\n").map { $0.drop { $0 == " " } }
                    .reduce(into: "") { $0 += ($0.isEmpty ? "" : $0.hasSuffix(":") ? " " : "; ") + $1 }
                failure = RuntimeError(.invalidConfiguration, "interpreters.\(interpreter.language): \(words)")
            case .failure(let error):
                failure = RuntimeError(
                    .failed, "interpreters.\(interpreter.language): the agent did not answer: \(error.message)")
            }
            link.close(.retired)
            throw failure
        }
    }

    /// The bounds of the connection to an agent.
    static let limits: ClientConnection.Limits = {
        var limits = ClientConnection.Limits()
        // An agent that was taken over may read nothing: what callers send it is not to gather here without a bound.
        limits.maxPendingBytes = 16 << 20
        limits.maxCalls = 8192
        // Of many agents, few send much at a time: what is kept of their buffers is one read each. The ring of an execution may keep
        // others alive, so that more of them would seldom be free.
        limits.maxReadsPerTurn = 1
        return limits
    }()

    public func connect(
        _ member: MemberID, _ stream: consuming MemberStream, onClose: @escaping @Sendable () -> Void
    ) async throws(RuntimeError) -> any MemberLink {
        let (user, memoryKills, cpu) = (stream.user, stream.memoryKills, stream.cpu)
        let rpc: ClientConnection
        do {
            rpc = try await open(member, stream, Self.limits)
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
                member: member, rpc: rpc, imageEnvironment: response.env, user: user, memoryKills: memoryKills,
                cpu: cpu)
            rpc.onClose.whenComplete { _ in onClose() }
            return connection
        case .failure(let error):
            rpc.close()
            throw RuntimeError(.failed, "the agent in the container did not answer: \(error.message)")
        }
    }
}
