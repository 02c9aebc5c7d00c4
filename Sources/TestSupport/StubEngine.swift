// SPDX-License-Identifier: Apache-2.0

internal import CHost
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A small Docker engine without containers, in this process. It counts calls, has a table of containers, and fails as
/// the test decides. With `agent`, "starting" a container runs that program as `agent --connect <bind
/// source>/agent.sock`.
package final class StubEngine: Sendable {
    package enum Call: String, Sendable, CaseIterable {
        case version, imageInspect, pull, distribution, create, start, wait, remove, inspect, list, info, other
        /// A container for reading files of an image, which is never started.
        case look, archive
    }

    package struct Faults: Sendable {
        /// The answer to every create.
        package var create: (status: Int, message: String)?
        package var start: (status: Int, message: String)?
        /// Kinds of calls that are never answered.
        package var neverAnswers: Set<Call> = []
        /// Whether the image is missing until it is pulled.
        package var imageIsMissing = false
        /// The error with which every pull ends, after its status 200.
        package var pull: String?
        /// How long each answer takes, and each pull.
        package var delay: Duration?
        package var pullDuration: Duration?
        /// Number of waits that are answered as if the container had ended with an error, while it goes on, as Podman
        /// has done.
        package var falseEnds = 0
        /// Replaces its answer about its version.
        package var version: String?
        /// Replaces its answer about itself.
        package var info: String?
        /// The code with which a started container ends at once.
        package var exitsAtOnce: Int?
        /// Number of removes that are answered with 409, "already in progress".
        package var removeConflicts = 0
        package var remove: (status: Int, message: String)?

        package init() {}
    }

    package struct Container: Sendable {
        package var id: String
        package var labels: [String: String]
        /// The body of its create request.
        package var body: String
        package var isRunning = false
        var socketDirectory: String?
        var process: Int32?
    }

    package struct State: Sendable {
        package var calls: [Call: Int] = [:]
        /// Containers by name.
        package var containers: [String: Container] = [:]
        package var faults = Faults()
        package var connections = 0
        /// Maximum number of containers at the same time so far.
        package var mostContainers = 0
        var waits: [String: [@Sendable (Int) -> Void]] = [:]
        var nextID = 1
    }

    /// The address for a runtime: "unix:///…".
    package let endpoint: String
    /// The path of the socket.
    package let path: String
    private let agent: String?
    let state = Mutex(State())
    private let listener: any Channel

    /// - Parameter socketPath: the path of the socket, which is created, and removed by `stop`.
    package static func start(socketPath: String, agent: String? = nil) async throws -> StubEngine {
        let box = Weak()
        let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.pipeline.configureHTTPServerPipeline(withPipeliningAssistance: false).flatMapThrowing {
                    try channel.pipeline.syncOperations.addHandler(StubConnection(box))
                }
            }
            .bind(unixDomainSocketPath: socketPath, cleanupExistingSocketFile: true).get()
        let engine = StubEngine(socketPath, agent, listener)
        box.engine.withLock { $0 = engine }
        return engine
    }

    private init(_ path: String, _ agent: String?, _ listener: any Channel) {
        self.path = path
        endpoint = "unix://\(path)"
        self.agent = agent
        self.listener = listener
    }

    /// Breaks the reference cycle of engine and listener.
    final class Weak: Sendable {
        let engine = Mutex<StubEngine?>(nil)
    }

    package var now: State { state.withLock { $0 } }
    package func count(_ call: Call) -> Int { state.withLock { $0.calls[call] ?? 0 } }
    package func setFaults(_ change: @Sendable (inout Faults) -> Void) { state.withLock { change(&$0.faults) } }

    /// Waits until the condition holds, with a deadline.
    package func waitFor(
        _ what: String, within limit: Duration = .seconds(20), _ condition: @Sendable (State) -> Bool
    ) async throws {
        try await eventually(what, within: limit) { condition(now) }
    }

    /// Ends a started container, as if its program had ended.
    package func end(_ name: String, code: Int) { finish(name, code: code) }

    package func stop() async {
        for name in state.withLock({ Array($0.containers.keys) }) { finish(name, code: 137) }
        try? await listener.close()
        unlink(path)
    }

    // MARK: Containers

    func launch(_ name: String) {
        let (exit, directory) = state.withLock { state -> (Int?, String?) in
            state.containers[name]?.isRunning = true
            return (state.faults.exitsAtOnce, state.containers[name]?.socketDirectory)
        }
        if let exit { return finish(name, code: exit) }
        guard let agent, let directory else { return }
        var arguments: [UnsafeMutablePointer<CChar>?] = [
            strdup(agent), strdup("--connect"), strdup("\(directory)/agent.sock"), nil,
        ]
        var environment: [UnsafeMutablePointer<CChar>?] = [strdup("PATH=/usr/bin:/bin"), nil]
        defer { for pointer in arguments + environment { free(pointer) } }
        let nowhere = open("/dev/null", O_RDWR | O_CLOEXEC)
        defer { close(nowhere) }
        let pid = berth_spawn(&arguments, &environment, nowhere, nowhere, STDERR_FILENO, -1)
        guard pid > 0 else {
            return finish(name, code: 127)
        }
        let process = pid
        state.withLock { $0.containers[name]?.process = process }
        let reaper = DetachedReaper(pid: process) { [weak self] code in self?.finish(name, code: code) }
        reaper.start()
    }

    /// Removes the container, as with AutoRemove. Waiting clients get the code.
    func finish(_ name: String, code: Int) {
        let (waiting, process) = state.withLock { state in
            (state.waits.removeValue(forKey: name) ?? [], state.containers.removeValue(forKey: name)?.process)
        }
        if let process { kill(process, SIGKILL) }
        for answer in waiting { answer(code) }
    }
}

/// Waits for one child on its own thread, which is acceptable in tests.
private final class DetachedReaper: Sendable {
    private let pid: Int32
    private let onEnd: @Sendable (Int) -> Void

    init(pid: Int32, onEnd: @escaping @Sendable (Int) -> Void) {
        self.pid = pid
        self.onEnd = onEnd
    }

    func start() {
        var thread = pthread_t()
        let context = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<DetachedReaper>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, context.toOpaque())
        precondition(code == 0, "no thread")
        pthread_detach(thread)
    }

    private func run() {
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        onEnd(status & 0x7f == 0 ? Int(status >> 8) & 0xff : 128 + Int(status & 0x7f))
    }
}
