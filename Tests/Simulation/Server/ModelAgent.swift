// SPDX-License-Identifier: Apache-2.0

internal import AgentSchema
package import BerthRPC
internal import BerthSchema
internal import NIOCore
internal import Pool
internal import SimulationModel

/// The agent of a simulated member. It speaks the agent's protocol over a simulated connection.
///
/// Confined to its world's thread.
package final class ModelAgent: RPCService, @unchecked Sendable {
    package typealias Session = Void

    let member: MemberID
    private let world: World
    private var programs: [UInt64: ModelProgram] = [:]
    /// What programs have left running.
    private(set) var background: [ModelBackground] = []
    /// Maximum of `background`, and of programs that may leave something.
    var maxBackground: Int
    private static let maxExecutions = 64
    /// Probabilities of what a reset may come to.
    var troubles = (resetFails: 0.1, resetIsStuck: 0.05)
    private(set) var isGone = false
    /// Called when it is asked for a program.
    var onBegin: (ModelProgram, AskedOfAgent) -> Void = { _, _ in }
    /// Called when its stream has ended: it kills everything and exits.
    var onExit: () -> Void = {}
    /// Called when a program has left something running.
    var onLeft: () -> Void = {}
    /// Whether something waits that it has sent.
    var hasUnsent: () -> Bool = { false }
    var onEnd: (ModelProgram) -> Void = { _ in }

    init(_ member: MemberID, _ world: World) {
        self.member = member
        self.world = world
        maxBackground = [2, 4, 32][world.random.below(3)]
    }

    /// Whether nobody is told when it dies.
    var isUnseen: Bool { world.canary == .deathIsNotSeen }

    func program(_ key: UInt32) -> ModelProgram? { programs.values.first { $0.key == key } }

    /// Keys of all that runs.
    var keys: [UInt32] { programs.values.map(\.key) + background.map(\.key) }
    var running: [ModelProgram] { programs.values.sorted { $0.number < $1.number } }

    package func connectionClosed(_ connection: ServerConnection, _ session: Void) { exit() }

    func exit() {
        guard !isGone else { return }
        isGone = true
        for program in running { program.vanish() }
        programs = [:]
        background = []
        onExit()
    }

    /// What a program has left has no process any more.
    func ended(_ left: ModelBackground) {
        guard world.canary != .g32BackgroundIsCountedForEver else { return }
        background.removeAll { $0 === left }
    }

    func left(_ left: ModelBackground) {
        background.append(left)
        onLeft()
        left.goOn()
    }

    func ended(_ program: ModelProgram) {
        programs[program.number] = nil
        onEnd(program)
    }

    package func serve(_ call: ServerCall, in session: Void) {
        guard !isGone else { return }
        do throws(RPCError) {
            guard let method = AgentService.Method(rawValue: call.method) else {
                throw .unimplemented(service: call.service, method: call.method)
            }
            switch method {
            case .ping: call.respond(Agent.PingResponse(version: "simulated", pid: 1, env: ["PATH=/bin"]))
            case .execute:
                try execute(call.decode(Agent.ExecuteRequest.self), call)
            case .acknowledge:
                let request = try call.decode(Agent.AcknowledgeRequest.self)
                try program(of: request.execution).acknowledge(request.bytes)
                call.respond(Agent.AcknowledgeResponse())
            case .signal:
                let request = try call.decode(Agent.SignalRequest.self)
                try signal(request)
                call.respond(Agent.SignalResponse())
            case .reset:
                let request = try call.decode(Agent.ResetRequest.self)
                guard request.timeoutMilliseconds > 0 else { throw RPCError(.invalidArgument, "timeout_ms is 0") }
                reset(call)
            case .input:
                let request = try call.decode(Agent.InputRequest.self)
                try program(of: request.execution).input.add(request, call)
            case .resize:
                let request = try call.decode(Agent.ResizeRequest.self)
                try program(of: request.execution).resize(request.terminal)
                call.respond(Agent.ResizeResponse())
            case .warm: throw .unimplemented(service: call.service, method: call.method)
            }
        } catch {
            call.fail(error)
        }
    }

    private func program(of number: UInt64) throws(RPCError) -> ModelProgram {
        guard let program = programs[number] else { throw RPCError(.notFound, "no execution \(number)") }
        return program
    }

    /// What the real agent takes for granted of no request.
    private func check(_ request: Agent.ExecuteRequest) throws(RPCError) {
        let words: String? =
            if request.execution == 0 {
                "execution is 0"
            } else if programs[request.execution] != nil {
                "execution \(request.execution) is active"
            } else if request.argv.first?.isEmpty != false {
                "argv names no program"
            } else if !request.cwd.hasPrefix("/") {
                "cwd is not absolute"
            } else if request.windowBytes == 0 {
                "window_bytes is 0"
            } else {
                nil
            }
        if let words { throw RPCError(.invalidArgument, words) }
        guard programs.count < ModelAgent.maxExecutions else {
            throw RPCError(
                .resourceExhausted, "\(ModelAgent.maxExecutions) executions are active", .executionLimit)
        }
    }

    private func execute(_ request: Agent.ExecuteRequest, _ call: ServerCall) throws(RPCError) {
        try check(request)
        let request = altered(request)
        if request.keepsBackground {
            let coming = programs.values.count { $0.keepsBackground }
            guard background.count + coming < maxBackground else {
                let count = background.count { $0.lives } + coming
                if count < maxBackground {
                    world.broken(
                        .background, "no room in \(member), where \(count) of \(maxBackground) have left something")
                }
                throw RPCError(.resourceExhausted, "\(maxBackground) have left something running", .backgroundLimit)
            }
        }
        let program = ModelProgram(request, call, self, world)
        onBegin(program, AskedOfAgent(request))
        if world.sings(.programRunsTwice) { onBegin(program, AskedOfAgent(request)) }
        programs[program.number] = program
        program.begin()
    }

    /// What a canary makes of a request.
    private func altered(_ request: Agent.ExecuteRequest) -> Agent.ExecuteRequest {
        var request = request
        switch world.canary {
        case .argvIsAltered where world.chance(0.1): request.argv = ["program", "1"]
        case .timeOutIsNotPassedOn where world.chance(0.1): request.timeoutMilliseconds += 1000
        case .outputLimitIsNotPassedOn: request.maxOutputBytes = 0
        case .inputIsLost where !request.stdin.isEmpty: request.stdin.removeLast()
        default: break
        }
        return request
    }

    private func signal(_ request: Agent.SignalRequest) throws(RPCError) {
        if request.signal == 0, world.canary == .cancelIsLost { return }
        guard (0...64).contains(request.signal) else {
            throw RPCError(.invalidArgument, "\(request.signal) is not a signal")
        }
        var program = try program(of: request.execution)
        if world.canary == .signalGoesToAnother, let other = running.first(where: { $0 !== program }) {
            program = other
        }
        if request.signal > 0, world.canary == .signalIsLost { return }
        let isAltered = world.canary == .signalIsAltered && ![0, 9].contains(request.signal)
        program.signal(isAltered ? 12 : request.signal, grace: request.graceMilliseconds)
    }

    /// What runs ends first, as in the real agent. Now and then it is not clean, or there is no answer at all.
    private func reset(_ call: ServerCall) {
        let (fails, isStuck) = (world.chance(troubles.resetFails), world.chance(troubles.resetIsStuck))
        guard !isStuck else { return }
        if world.canary != .resetLeavesPrograms { for program in running { program.discard() } }
        if world.canary != .backgroundOutlivesLease { background = [] }
        answerReset(call, fails: fails)
    }

    private func answerReset(_ call: ServerCall, fails: Bool) {
        world.after(world.between(.milliseconds(1), .milliseconds(200))) { [self] in
            guard !isGone else { return }
            // The real agent sends in order: ends before this answer.
            guard !hasUnsent() else { return answerReset(call, fails: fails) }
            guard !fails, programs.isEmpty || world.canary == .resetLeavesPrograms else {
                return call.fail(RPCError(.failedPrecondition, "not clean, as the story says"))
            }
            call.respond(Agent.ResetResponse(tookMicroseconds: 1000))
        }
    }
}

extension AskedOfAgent {
    init(_ request: Agent.ExecuteRequest) {
        self.init(
            timeout: request.timeoutMilliseconds, grace: request.graceMilliseconds, maxOutput: request.maxOutputBytes,
            killsAtMaxOutput: request.killsAtMaxOutput, keepsBackground: request.keepsBackground,
            input: request.stdin.count, isOpen: request.keepsStdinOpen, rows: request.terminal?.rows ?? 0)
    }
}
