// SPDX-License-Identifier: Apache-2.0

internal import NIOCore

/// Processes that a program has left running with `keep_background`. They write something every few seconds, which nobody reads.
final class ModelBackground {
    let key: UInt32
    private let world: World
    private weak var agent: ModelAgent?
    private(set) var lives = true
    /// When they end by themselves; nil is never.
    private let end: NIODeadline?

    init(_ key: UInt32, _ agent: ModelAgent, _ world: World) {
        (self.key, self.agent, self.world) = (key, agent, world)
        end = key % 2 == 0 ? world.now + .milliseconds(Int64(key % 10_000)) : nil
    }

    func goOn() {
        world.after(world.between(.milliseconds(200), .seconds(5))) { [self] in
            // Its member is gone, or was reset.
            guard let agent, agent.background.contains(where: { $0 === self }) else { return }
            if world.canary == .a2BackgroundIsKilled {
                lives = false
                agent.ended(self)
                return world.broken(.background, "what program \(key) has left died when it wrote")
            }
            guard let end, world.now >= end else { return goOn() }
            lives = false
            agent.ended(self)
        }
    }
}
