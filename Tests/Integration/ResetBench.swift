// SPDX-License-Identifier: Apache-2.0

import AgentLink
import AgentSchema
import BerthSchema
import Docker
import Foundation
import Housekeeping
import Logging
import NIOCore
import NIOPosix
import Native
import Pool
import Runc
import Synchronization
import TestSupport

/// One member of a real runtime and its agent, without a server or a pool.
final class ResetBench: Sendable {
    let link: AgentConnection

    private init(_ link: AgentConnection) { self.link = link }

    static func with(
        _ on: Runtime, _ change: (inout MemberTemplate) -> Void = { _ in }, _ body: (ResetBench) async throws -> Void
    ) async throws {
        signal(SIGPIPE, SIG_IGN)
        let instance = "reset-\(UUID().uuidString.prefix(8).lowercased())"
        let base = "/tmp/berth-\(instance)"
        try FileManager.default.createDirectory(atPath: base, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: base) }
        let agent = try BuildProducts.program("berth-agent")
        let logger = Logger(label: "test")
        var template = MemberTemplate(image: on == .docker ? "python:3.9-slim" : "host")
        change(&template)
        // Holds the state directory's lock as long as the runtime lives.
        var lock: StateDirectory?
        let runtime: any ContainerRuntime
        switch on {
        case .native:
            let state = try StateDirectory(base: base, instance: instance)
            lock = state
            runtime = try NativeRuntime(
                launcherPath: try BuildProducts.program("berth-launcher"), instance: instance, agentPath: agent,
                stateDirectory: state.path, logger: logger)
        case .runc:
            let state = try StateDirectory(base: base, instance: instance)
            lock = state
            runtime = try RuncRuntime(
                runcPath: nil, instance: instance, agentPath: agent, stateDirectory: state.path, logger: logger)
        case .docker:
            let variables = ProcessInfo.processInfo.environment.merging(["DOCKER_HOST": try Runtime.docker()]) { $1 }
            runtime = try DockerRuntime(
                endpoint: try DockerEndpoint.fromEnvironment(variables), instance: instance, agentPath: agent,
                stateDirectory: "\(base)/state", logger: logger)
        }
        let member = MemberID("one")
        let outcome: Result<Void, any Error>
        do {
            let stream = try await runtime.create(member, template)
            let connector = AgentConnector(group: MultiThreadedEventLoopGroup.singleton)
            let link = try await connector.connect(member, stream) {}
            guard let link = link as? AgentConnection else { throw NeverHappened(description: "an AgentConnection") }
            defer { link.close(.released) }
            outcome = .success(try await body(ResetBench(link)))
        } catch {
            outcome = .failure(error)
        }
        try? await runtime.remove(member)
        await runtime.shutdown()
        withExtendedLifetime(lock) {}
        try outcome.get()
    }

    struct Outcome: Sendable {
        var out: [UInt8] = []
        var err: [UInt8] = []
        var ended: Agent.Ended

        var text: String { String(decoding: out, as: UTF8.self) }
        var errorText: String { String(decoding: err, as: UTF8.self) }
    }

    private final class Collector: Sendable {
        private let outcome = Mutex(Outcome(ended: Agent.Ended(cause: .unspecified)))

        /// Takes an event, and returns the outcome at the end.
        func take(_ event: ExecutionEvent) -> Outcome? {
            outcome.withLock { outcome in
                switch event {
                case .started, .overdue, .refused, .outputEnded: break
                case .output(let chunk):
                    let bytes = chunk.data.readableBytesView
                    if chunk.stream == 0 { outcome.out += bytes } else { outcome.err += bytes }
                case .ended(let ended):
                    outcome.ended = ended
                    return outcome
                }
                return nil
            }
        }
    }

    /// Runs a program and waits for its end.
    func run(
        _ argv: [String], uid: UInt32 = 1000, env: [String] = ["PATH=/usr/bin:/bin"], cwd: String = "/",
        timeoutMilliseconds: UInt64 = 60_000, onOutput: @escaping @Sendable () -> Void = {},
        onEnd: @escaping @Sendable () -> Void = {}
    ) async -> Outcome {
        let request = Agent.ExecuteRequest(
            execution: 0, argv: argv.map { SystemString($0) }, env: env.map { SystemString($0) },
            cwd: SystemString(cwd), uid: uid, gid: uid, timeoutMilliseconds: timeoutMilliseconds)
        let collector = Collector()
        return await withCheckedContinuation { continuation in
            let execution = Mutex<AgentExecution?>(nil)
            let started = link.execute(request) { event in
                if case .output(let chunk) = event { execution.withLock { $0 }?.acknowledge(chunk.count) }
                let outcome = collector.take(event)
                if case .output = event { onOutput() }
                guard let outcome else { return }
                onEnd()
                continuation.resume(returning: outcome)
            }
            execution.withLock { $0 = started }
        }
    }

    /// Runs a Python program, which must succeed.
    @discardableResult
    func python(_ program: String, uid: UInt32 = 1000, cwd: String = "/", env: [String] = []) async throws -> String {
        let outcome = await run(
            ["python3", "-c", program], uid: uid, env: ["PATH=/usr/bin:/bin"] + env, cwd: cwd)
        guard outcome.ended.cause == .exited, outcome.ended.exitCode == 0 else {
            throw NeverHappened(description: "a good end: \(outcome.ended) \(outcome.errorText)")
        }
        return outcome.text
    }

    /// Everything that a program can see of others before it, except for its own process id and access times.
    func look(uid: UInt32 = 1000) async throws -> String {
        try await python(
            """
            import os, glob, resource
            def stat(path):
                s = os.lstat(path)
                return oct(s.st_mode), s.st_uid, s.st_gid, s.st_nlink, s.st_size if not path.startswith("/dev/pts") else 0
            others = [p for p in os.listdir("/proc") if p.isdigit() and int(p) not in (os.getpid(), os.getppid())]
            def name(pid):
                try: return open(f"/proc/{pid}/comm").read()
                except OSError: return "gone"
            print(sorted(map(name, others)))
            for place in "/tmp", "/workspace", "/dev/shm", "/dev/mqueue", "/dev", "/dev/pts", "/.berth":
                if not os.path.isdir(place): continue
                usage = os.statvfs(place)
                counts = usage.f_blocks - usage.f_bfree, usage.f_files - usage.f_ffree
                changed = os.lstat(place).st_mtime_ns
                # Of /.berth the whole disk would be counted; the other changes with the program's own terminals.
                print(place, stat(place), counts if place != "/.berth" else 0, changed if place != "/dev/pts" else 0)
                print([(name, stat(place + "/" + name)) for name in sorted(os.listdir(place))])
            for kind in "shm", "sem", "msg": print(open("/proc/sysvipc/" + kind).read())
            print(open("/proc/self/mountinfo").read())
            print(open("/proc/net/unix").read().split()[:8])
            print(sorted(os.environ), os.getcwd(), os.umask(0), os.nice(0), os.sched_getaffinity(0))
            print([resource.getrlimit(i) for i in range(16)])
            print(os.getgroups(), os.listdir("/proc/self/fd").__len__(), open("/proc/self/oom_score_adj").read())
            """, uid: uid)
    }

    /// Looks again, and throws the differences.
    func looks(uid: UInt32 = 1000, like before: String) async throws {
        let (then, now) = (before.split(separator: "\n"), try await look(uid: uid).split(separator: "\n"))
        let (gone, new) = (then.filter { !now.contains($0) }, now.filter { !then.contains($0) })
        guard then == now else { throw NeverHappened(description: "as before: was \(gone), is \(new)") }
    }
}
