// SPDX-License-Identifier: Apache-2.0

internal import Berth
internal import BerthSchema

/// Carries out and times the operations of one worker.
struct OperationRunner: Sendable {
    enum Outcome {
        case completed
        case failed
        /// The test ended before the operation did.
        case givenUp
    }

    let plan: LoadPlan
    let connection: Connection
    let docker: DockerExec?
    let held: HeldLease?
    let recorder: Recorder
    private let programs: [Command]

    init(plan: LoadPlan, connection: Connection, docker: DockerExec?, held: HeldLease?, recorder: Recorder) {
        self.plan = plan
        self.connection = connection
        self.docker = docker
        self.held = held
        self.recorder = recorder
        programs = Operation.allCases.map { plan.program(for: $0) }
    }

    /// Carries out one operation and records its result, also if it fails.
    /// - Parameter due: when it was due; nil: now, as in a closed loop.
    func perform(_ operation: Operation, due: Nanoseconds? = nil) async -> Outcome {
        let begin = Monotonic.now()
        var sample = Sample(operation, due: due ?? begin)
        if let due { sample[.queue] = begin - min(due, begin) }
        do {
            try await carryOut(&sample, begin)
            return .completed
        } catch let failure as OperationFailure {
            recorder.record(failure, of: operation, due: sample.due)
        } catch let error as BerthError {
            recorder.record(OperationFailure(error), of: operation, due: sample.due)
        } catch is CancellationError {
            let now = Monotonic.now()
            recorder.record(unanswered: operation, due: sample.due, waited: now - min(sample.due, now))
            return .givenUp
        } catch {
            recorder.record(
                OperationFailure(kind: "internal", message: "\(error)"), of: operation, due: sample.due)
        }
        return .failed
    }

    private func carryOut(_ sample: inout Sample, _ begin: Nanoseconds) async throws {
        switch sample.operation {
        case .stats:
            _ = try await checked { () throws(BerthError) in try await connection.client().stats() }
            finish(&sample)
        case .acquire:
            let client = try await connection.client()
            let lease = try await acquire(client, &sample, begin)
            sample[.total] = Monotonic.now() - sample.due
            do {
                try await release(lease, client, &sample)
            } catch let error as BerthError {
                recorder.note(OperationFailure(error))
            }
            recorder.record(sample)
        case .cycle:
            let client = try await connection.client()
            let lease = try await acquire(client, &sample, begin)
            do {
                try await run(&sample) { client.execute($0, in: lease) }
            } catch {
                try? await client.release(lease)
                throw error
            }
            try await release(lease, client, &sample)
            finish(&sample)
        case .run:
            let client = try await connection.client()
            try await run(&sample) { client.execute($0, pool: plan.pool, wait: plan.wait) }
            finish(&sample)
        case .execute, .stream:
            guard let held else { preconditionFailure("\(sample.operation) without a held lease") }
            let (client, lease) = try await held.get()
            do {
                try await run(&sample) { client.execute($0, in: lease) }
            } catch let error as BerthError where error.code == .notFound {
                await held.lost(lease)
                throw error
            }
            finish(&sample)
        case .dockerExec:
            guard let docker else { preconditionFailure("docker exec without an engine") }
            let program = plan.program(for: plan.scenario.operation(at: 0))
            let bytes = try await docker.run(program.argv, cwd: plan.cwd ?? "/workspace")
            if bytes > 0 { recorder.record(bytes: bytes, of: sample.operation, due: sample.due) }
            finish(&sample)
        }
    }

    private func finish(_ sample: inout Sample) {
        sample[.total] = Monotonic.now() - sample.due
        recorder.record(sample)
    }

    private func acquire(_ client: BerthClient, _ sample: inout Sample, _ begin: Nanoseconds) async throws -> Lease {
        let lease = try await checked { () throws(BerthError) in
            try await client.acquire(pool: plan.pool, wait: plan.wait)
        }
        sample[lease.isWarm ? .acquireWarm : .acquireWaited] = Monotonic.now() - begin
        return lease
    }

    private func release(_ lease: Lease, _ client: BerthClient, _ sample: inout Sample) async throws {
        let begin = Monotonic.now()
        try await checked { () throws(BerthError) in try await client.release(lease) }
        sample[.release] = Monotonic.now() - begin
    }

    private func run(_ sample: inout Sample, _ start: (Command) -> Execution) async throws {
        let begin = Monotonic.now()
        for try await event in start(programs[sample.operation.index]) {
            switch event {
            case .started:
                sample[.started] = Monotonic.now() - begin
            case .output(let output):
                if sample[.firstByte] == nil { sample[.firstByte] = Monotonic.now() - begin }
                recorder.record(bytes: output.data.count, of: sample.operation, due: sample.due)
            case .ended(let ended):
                sample[.end] = Monotonic.now() - begin
                if let failure = OperationFailure(ended) { throw failure }
                return
            case .dropped, .display, .failure, .prompt, .outputEnded, .unknown:
                break
            }
        }
        throw OperationFailure(kind: "internal", message: "the stream ended without an end of the program")
    }

    /// Turns the error of a call that was cancelled at the end of the test into `CancellationError`, since it is not a
    /// failure of the server.
    private func checked<R>(_ call: () async throws(BerthError) -> R) async throws -> R {
        do throws(BerthError) {
            return try await call()
        } catch {
            if error.code == .cancelled, Task.isCancelled { throw CancellationError() }
            throw error
        }
    }
}

extension OperationFailure {
    init(_ error: BerthError) {
        self.init(kind: "\(error.code)", message: error.message)
    }

    /// Nil if the program exited with 0.
    init?(_ ended: Ended) {
        switch ended.cause {
        case .exited:
            guard ended.exitCode != 0 else { return nil }
            self.init(kind: "exit \(ended.exitCode)", message: "the program exited with \(ended.exitCode)")
        case .signalled:
            self.init(kind: "signal \(ended.signal)", message: "signal \(ended.signal) ended the program")
        case .unspecified, .timedOut, .outOfMemory, .outputLimit, .cancelled, .containerLost, .startFailed, .draining,
            .idleTimeout, .cpuTimeLimit, .contextLost, .connectionReset:
            self.init(kind: "\(ended.cause)", message: ended.message)
        }
    }
}
