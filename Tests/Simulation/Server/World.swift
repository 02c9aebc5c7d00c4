// SPDX-License-Identifier: Apache-2.0

package import NIOCore
package import NIOEmbedded
package import Pool
package import SimulationModel

/// Time, chance and order of a simulated server. All that happens is a task of one event loop whose time is virtual: what arrives
/// over connections, what sleeps, and the jobs of Swift's tasks. So a seed decides everything.
///
/// Confined to the thread on which it was created.
package final class World: @unchecked Sendable {
    package let loop = EmbeddedEventLoop()
    /// For what the world itself decides: delays, splits, the order of jobs.
    package var random: Randomness
    /// For tokens and ids.
    private var secrets: Randomness
    private var ready: [UnownedJob] = []
    private lazy var executor = WorldExecutor { [unowned self] in enqueue($0) }
    /// Number of things that happened, and a hash of what they were.
    package private(set) var happened = 0
    package private(set) var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    /// The first rule that was broken.
    package private(set) var violation: ServerViolation?
    /// A fault that is put in on purpose.
    package var canary: ServerCanary?
    /// What the program of a key does.
    package var script: (UInt32) -> Script = { Script(key: $0) }
    /// Prints what happens, for a story that is looked into.
    package var isTold = false

    package init(seed: UInt64) {
        random = Randomness(seed: seed ^ 0x5EED)
        secrets = Randomness(seed: ~seed)
    }

    package var now: NIODeadline { loop.now }

    /// Runs `body`, whose tasks are this world's.
    package func live<R>(_ body: () throws -> R) rethrows -> R {
        try JobHook.with({ [self] in enqueue($0) }, body)
    }

    // MARK: Order

    private func enqueue(_ job: UnownedJob) {
        ready.append(job)
        loop.execute { [self] in runOne() }
    }

    /// Any of the jobs that are ready may run next, as on a machine with many threads.
    private func runOne() {
        guard !ready.isEmpty else { return }
        let job = ready.remove(at: random.below(ready.count))
        job.runSynchronously(on: executor.asUnownedSerialExecutor())
    }

    /// Runs `body` at a later time.
    package func after(_ time: TimeAmount, _ body: @escaping () -> Void) {
        loop.scheduleTask(in: time, body)
    }

    /// Lets time pass, and all that happens in it.
    package func pass(_ time: TimeAmount) { loop.advanceTime(by: time) }

    // MARK: Chance

    package func token() -> LeaseToken { LeaseToken(using: &secrets) }

    package func fraction() -> Double { Double(secrets.next() >> 11) * 0x1p-53 }

    package func chance(_ share: Double) -> Bool { random.chance(share) }

    /// Whether a canary sings now.
    package func sings(_ canary: ServerCanary, _ share: Double = 0.1) -> Bool {
        self.canary == canary && random.chance(share)
    }

    package func between(_ least: TimeAmount, _ most: TimeAmount) -> TimeAmount {
        .nanoseconds(least.nanoseconds + Int64(random.below(Int(most.nanoseconds - least.nanoseconds) + 1)))
    }

    // MARK: The trace

    package func trace(_ what: @autoclosure () -> String, _ numbers: UInt64...) {
        happened += 1
        mix(UInt64(bitPattern: Int64(now.uptimeNanoseconds)))
        for number in numbers { mix(number) }
        if isTold { print("\(now.uptimeNanoseconds / 1000) us: \(what())") }
    }

    private func mix(_ value: UInt64) { hash = (hash ^ value) &* 0x100_0000_01B3 &+ (hash >> 29) }

    package func broken(_ rule: ServerRule, _ detail: @autoclosure () -> String) {
        guard violation == nil else { return }
        violation = ServerViolation(rule: rule, detail: "\(detail()), after \(now.uptimeNanoseconds / 1_000_000) ms")
        if isTold { print("BROKEN: \(detail())") }
    }
}

/// The time of a world, as the pool and the service ask for it.
package struct WorldClock: MonotonicClock {
    let world: World

    package init(_ world: World) { self.world = world }

    package func now() -> MonotonicInstant {
        MonotonicInstant(nanoseconds: Int64(world.now.uptimeNanoseconds))
    }

    package func sleep(until instant: MonotonicInstant) async throws {
        let sleeper = Sleeper()
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                guard !Task.isCancelled else { return continuation.resume(throwing: CancellationError()) }
                guard instant > now() else { return continuation.resume() }
                sleeper.continuation = continuation
                sleeper.timer = world.loop.scheduleTask(
                    deadline: .uptimeNanoseconds(UInt64(max(0, instant.nanoseconds)))
                ) { () -> Void in sleeper.wake(nil) }
            }
        } onCancel: {
            sleeper.wake(CancellationError())
        }
    }

    /// Confined to the world's thread.
    private final class Sleeper: @unchecked Sendable {
        var continuation: CheckedContinuation<Void, any Error>?
        var timer: Scheduled<Void>?

        func wake(_ error: (any Error)?) {
            let waiting = continuation
            continuation = nil
            timer?.cancel()
            timer = nil
            if let error { waiting?.resume(throwing: error) } else { waiting?.resume() }
        }
    }
}
