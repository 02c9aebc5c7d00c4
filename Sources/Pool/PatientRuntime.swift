// SPDX-License-Identifier: Apache-2.0

/// A runtime whose creates wait while the server itself lacks descriptors or memory, since that is not the runtime's failure
/// and must not open the breaker.
public struct PatientRuntime<Base: ContainerRuntime>: ContainerRuntime {
    /// Time between two checks whether there is room again.
    public static var pause: Duration { .milliseconds(250) }

    private let base: Base
    private let clock: any MonotonicClock
    private let isRoomLeft: @Sendable () -> Bool

    /// - Parameter isRoomLeft: whether the server's own process has what a create needs.
    public init(
        _ base: Base, clock: any MonotonicClock = SystemClock(), isRoomLeft: @escaping @Sendable () -> Bool
    ) {
        self.base = base
        self.clock = clock
        self.isRoomLeft = isRoomLeft
    }

    public var kind: String { base.kind }

    public func create(_ member: MemberID, _ template: MemberTemplate) async throws(RuntimeError) -> MemberStream {
        while !isRoomLeft() { try await rest() }
        while true {
            do throws(RuntimeError) {
                return try await base.create(member, template)
            } catch {
                guard error.isServersOwn || !isRoomLeft() else { throw error }
                // It ran out meanwhile. What the create has left has the same name as what the next one makes.
                try await base.remove(member)
            }
            repeat { try await rest() } while !isRoomLeft()
        }
    }

    /// The create's own time-out cancels the task.
    private func rest() async throws(RuntimeError) {
        do {
            try await clock.sleep(until: clock.now() + Self.pause)
        } catch {
            throw RuntimeError(
                .failed, "the server has no descriptors or memory left; raise its limit (ulimit -n)", isServersOwn: true
            )
        }
    }

    public func remove(_ member: MemberID) async throws(RuntimeError) { try await base.remove(member) }
    public func members() async throws(RuntimeError) -> [MemberID] { try await base.members() }
    public func watchEvictions(_ told: @escaping @Sendable (MemberID, Eviction) -> Void) { base.watchEvictions(told) }
    public func shutdown() async { await base.shutdown() }
}
