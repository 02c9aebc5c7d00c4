// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
package import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Pool

/// The agent of a simulated member. It speaks the agent's protocol over a simulated connection.
///
/// Confined to its world's thread.
package final class ModelAgent: RPCService, @unchecked Sendable {
    package typealias Session = Void

    let member: MemberID
    private let world: World
    private var programs: [UInt64: ModelProgram] = [:]
    /// Those that have ended and those that have not.
    private(set) var began = 0
    private(set) var isGone = false
    /// Called when its stream has ended: it kills everything and exits.
    var onExit: () -> Void = {}
    var onEnd: (ModelProgram) -> Void = { _ in }

    init(_ member: MemberID, _ world: World) {
        self.member = member
        self.world = world
    }

    var running: [ModelProgram] { programs.values.sorted { $0.number < $1.number } }

    package func connectionClosed(_ connection: ServerConnection, _ session: Void) { exit() }

    func exit() {
        guard !isGone else { return }
        isGone = true
        for program in running { program.vanish() }
        programs = [:]
        onExit()
    }

    func ended(_ program: ModelProgram) {
        programs[program.number] = nil
        onEnd(program)
    }

    package func serve(_ call: ServerCall, in session: Void) {
        do throws(RPCError) {
            guard let method = AgentService.Method(rawValue: call.method) else {
                throw .unimplemented(service: call.service, method: call.method)
            }
            switch method {
            case .ping: call.respond(Agent.PingResponse(version: "simulated", pid: 1, env: ["PATH=/bin"]))
            case .execute:
                let request = try call.decode(Agent.ExecuteRequest.self)
                let program = ModelProgram(request, call, self, world)
                began += 1
                programs[program.number] = program
                program.begin()
            case .acknowledge:
                let request = try call.decode(Agent.AcknowledgeRequest.self)
                programs[request.execution]?.acknowledge(request.bytes)
                call.respond(Agent.AcknowledgeResponse())
            case .signal:
                let request = try call.decode(Agent.SignalRequest.self)
                programs[request.execution]?.signal(request.signal, grace: request.graceMilliseconds)
                call.respond(Agent.SignalResponse())
            case .reset: reset(call)
            case .warm, .input, .resize: throw .unimplemented(service: call.service, method: call.method)
            }
        } catch {
            call.fail(error)
        }
    }

    /// What runs ends first, as in the real agent. Now and then it is not clean, or there is no answer at all.
    private func reset(_ call: ServerCall) {
        let (fails, isStuck) = (world.chance(0.1), world.chance(0.05))
        guard !isStuck else { return }
        for program in running { program.discard() }
        world.after(world.between(.milliseconds(1), .milliseconds(200))) { [self] in
            guard !isGone else { return }
            guard !fails, programs.isEmpty else {
                return call.fail(RPCError(.failedPrecondition, "not clean, as the story says"))
            }
            call.respond(Agent.ResetResponse(tookMicroseconds: 1000))
        }
    }
}
