// SPDX-License-Identifier: Apache-2.0

package import BerthRPC
package import BerthSchema
internal import AgentSchema
internal import NIOCore
package import Pool

/// A runtime whose creates and removals fail, hang and come late. Its members have a model of the agent.
///
/// Confined to its world's thread.
package final class SimulatedRuntime: ContainerRuntime, @unchecked Sendable {
    /// Probabilities, 0 to 1.
    package struct Faults {
        package var createFails = 0.0
        package var createHangs = 0.0
        package var createIsLate = 0.0
        package var removalFails = 0.0
        /// The container is there, and its agent never answers.
        package var isMute = 0.0
    }

    package final class Container {
        package let member: MemberID
        let agent: ModelAgent
        let kills = MemoryKills.Count()
        package fileprivate(set) var wire: Wire?
        /// Whether it died by itself, so that what ran in it may have been lost.
        package fileprivate(set) var hasDied = false

        init(_ member: MemberID, _ world: World) {
            self.member = member
            agent = ModelAgent(member, world)
        }

        /// Its processes are gone at once, as when the kernel kills the agent.
        package func die(outOfMemory: Bool) {
            guard !hasDied else { return }
            hasDied = true
            if outOfMemory { kills.add() }
            if agent.isUnseen {
                agent.onExit = {}
                return agent.exit()
            }
            wire?.cut()
            agent.exit()
        }
    }

    package let kind = "simulated"
    package var faults = Faults()
    /// What exists, in the order of its creation.
    package private(set) var containers: [Container] = []
    private var creating = 0
    private var isLeft = false
    private let world: World
    private let max: Int
    private let createTimeout: TimeAmount
    private let connect: (Container) throws -> Wire
    package var onEnd: (Container, ModelProgramEnd) -> Void = { _, _ in }
    /// Called when a program has left something running.
    var onLeft: () -> Void = {}
    /// Called when an agent is asked for a program.
    var onBegin: (Container, UInt32, AskedOfAgent) -> Void = { _, _, _ in }

    /// - Parameters:
    ///   - max: the maximum of members that it may be asked for.
    ///   - createTimeout: how long it may be waited for.
    ///   - connect: makes the connection to a container, whose far end is the agent's.
    init(
        _ world: World, max: Int, createTimeout: TimeAmount, connect: @escaping (Container) throws -> Wire
    ) {
        self.world = world
        self.max = max
        self.createTimeout = createTimeout
        self.connect = connect
    }

    package func container(_ member: MemberID) -> Container? { containers.first { $0.member == member } }

    package func create(_ member: MemberID, _ template: MemberTemplate) async throws(RuntimeError) -> MemberStream {
        creating += world.sings(.createsOverlap) ? 2 : 1
        defer { creating = 0 }
        if creating > 1 { world.broken(.members, "\(creating) creates at a time") }
        if containers.count >= max { world.broken(.members, "\(containers.count + 1) members, where \(max) may be") }
        world.trace("create \(member)", 10)
        let container = Container(member, world)
        let (fails, hangs, late) = (
            world.chance(faults.createFails), world.chance(faults.createHangs), world.chance(faults.createIsLate)
        )
        // What a failed create leaves is there too, until it is removed.
        if !fails || world.chance(0.5) { containers.append(container) }
        let time: TimeAmount =
            hangs ? .hours(1) : late ? .seconds(50) : world.between(.milliseconds(3), .milliseconds(900))
        let began = world.now
        defer {
            if world.now > began + createTimeout + .seconds(5) {
                world.broken(.members, "a create was waited for for \((world.now - began).nanoseconds / 1_000_000) ms")
            }
        }
        do {
            try await WorldClock(world).sleep(until: WorldClock(world).now() + .nanoseconds(time.nanoseconds))
        } catch {
            throw RuntimeError(.failed, "the create was given up")
        }
        guard !fails else { throw RuntimeError(.failed, "as the story says") }
        return MemberStream(
            input: -1, output: -1, user: MemberUser(uid: 1000), memoryKills: MemoryKills(told: container.kills))
    }

    /// The stream to a member's agent, in place of descriptors.
    package func open(
        _ member: MemberID, _ limits: ClientConnection.Limits
    ) async throws(RPCError) -> ClientConnection {
        guard let container = container(member), !container.hasDied else {
            throw RPCError(.unavailable, "the container has died")
        }
        let isMute = world.chance(faults.isMute)
        do {
            let wire = try connect(container)
            container.wire = wire
            container.agent.onEnd = { [weak self, weak container] program in
                guard let self, let container, let ended = program.ended else { return }
                onEnd(
                    container,
                    ModelProgramEnd(
                        key: program.key, cause: ended.cause, exitCode: ended.exitCode, stdoutBytes: ended.stdoutBytes,
                        stderrBytes: ended.stderrBytes,
                        sent: ended.stdoutBytes - ended.stdoutTruncated + ended.stderrBytes - ended.stderrTruncated))
            }
            container.agent.onBegin = { [weak self, weak container] program, asked in
                guard let self, let container else { return }
                onBegin(container, program.key, asked)
            }
            container.agent.onLeft = onLeft
            container.agent.hasUnsent = { [weak container] in container?.wire?.far.isWriting ?? false }
            container.agent.onExit = { [weak container] in container?.wire?.near.close() }
            guard let near = wire.near.channel, let far = wire.far.channel else {
                throw RPCError(.unavailable, "no channel")
            }
            if !isMute {
                try RPCServer(group: world.loop, service: container.agent).serve(far)
                wire.far.begin()
            }
            let connection = try await ClientConnection.adopt(near, limits: limits).get()
            wire.near.begin()
            return connection
        } catch {
            throw RPCError(.unavailable, "the stream could not be opened: \(error)")
        }
    }

    package func remove(_ member: MemberID) async throws(RuntimeError) {
        world.trace("remove \(member)", 11)
        container(member)?.agent.exit()
        do {
            let time = world.between(.milliseconds(1), .milliseconds(400))
            try await WorldClock(world).sleep(until: WorldClock(world).now() + .nanoseconds(time.nanoseconds))
        } catch {
            throw RuntimeError(.failed, "the removal was given up")
        }
        guard !world.chance(faults.removalFails) else { throw RuntimeError(.failed, "stuck, as the story says") }
        container(member)?.wire?.cut()
        if world.sings(.containerIsLeftOver), !isLeft { return isLeft = true }
        containers.removeAll { $0.member == member }
    }

    package func members() async throws(RuntimeError) -> [MemberID] { containers.map(\.member) }

    package func shutdown() async {}
}

/// How a program of a member ended, as its agent told it.
package struct ModelProgramEnd {
    package var key: UInt32
    package var cause: EndCause
    package var exitCode: Int32
    package var stdoutBytes: UInt64
    package var stderrBytes: UInt64
    /// Bytes of both that the agent has sent.
    package var sent: UInt64
}
