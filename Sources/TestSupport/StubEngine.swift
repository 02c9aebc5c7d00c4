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

/// A small Docker engine without containers, in this process: counts calls, keeps a table, and fails as it is told.
/// With `agent`, "starting" a container runs that program as `agent --connect <bind source>/agent.sock`.
package final class StubEngine: Sendable {
    package enum Call: String, Sendable, CaseIterable {
        case version, imageInspect, pull, distribution, create, start, wait, remove, inspect, list, info, other
        /// A container that shows what is in an image, and is never started.
        case look, archive
    }

    package struct Faults: Sendable {
        /// Every create is answered so.
        package var create: (status: Int, message: String)?
        package var start: (status: Int, message: String)?
        /// No call of these kinds is ever answered.
        package var neverAnswers: Set<Call> = []
        /// The image is not there until it is pulled.
        package var imageIsMissing = false
        /// Every pull ends with this error, after its 200.
        package var pull: String?
        /// How long each answer takes, and each pull.
        package var delay: Duration?
        package var pullDuration: Duration?
        /// So many waits are answered as if the container had ended in an error, while it goes on (seen of Podman).
        package var falseEnds = 0
        /// What it says of its version, in place of its own words.
        package var version: String?
        /// The same of itself.
        package var info: String?
        /// A started container ends at once with this code.
        package var exitsAtOnce: Int?
        /// So many removes are answered with 409, "already in progress".
        package var removeConflicts = 0
        package var remove: (status: Int, message: String)?

        package init() {}
    }

    package struct Container: Sendable {
        package var id: String
        package var labels: [String: String]
        /// The body of its create, as it came.
        package var body: String
        package var isRunning = false
        var socketDirectory: String?
        var process: Int32?
    }

    package struct State: Sendable {
        package var calls: [Call: Int] = [:]
        /// By name.
        package var containers: [String: Container] = [:]
        package var faults = Faults()
        package var connections = 0
        /// The most containers there ever were at a time.
        package var mostContainers = 0
        var waits: [String: [@Sendable (Int) -> Void]] = [:]
        var nextID = 1
    }

    /// As a runtime takes it: "unix:///…".
    package let endpoint: String
    /// The socket's path.
    package let path: String
    private let agent: String?
    let state = Mutex(State())
    private let listener: any Channel

    /// - Parameter socketPath: made; removed by `stop`.
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

    /// Breaks the circle of engine and listener.
    final class Weak: Sendable {
        let engine = Mutex<StubEngine?>(nil)
    }

    package var now: State { state.withLock { $0 } }
    package func count(_ call: Call) -> Int { state.withLock { $0.calls[call] ?? 0 } }
    package func setFaults(_ change: @Sendable (inout Faults) -> Void) { state.withLock { change(&$0.faults) } }

    /// Waits until the state is such, with a deadline.
    package func waitFor(
        _ what: String, within limit: Duration = .seconds(20), _ condition: @Sendable (State) -> Bool
    ) async throws {
        try await eventually(what, within: limit) { condition(now) }
    }

    /// A started container ends, as its program would end it.
    package func end(_ name: String, code: Int) { finish(name, code: code) }

    package func stop() async {
        for name in state.withLock({ Array($0.containers.keys) }) { finish(name, code: 137) }
        try? await listener.close()
        unlink(path)
    }

    // MARK: containers

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

    /// The container is gone, as with AutoRemove; who waits for it hears the code.
    func finish(_ name: String, code: Int) {
        let (waiting, process) = state.withLock { state in
            (state.waits.removeValue(forKey: name) ?? [], state.containers.removeValue(forKey: name)?.process)
        }
        if let process { kill(process, SIGKILL) }
        for answer in waiting { answer(code) }
    }
}

/// Waits for one child on a thread of its own, which tests can afford.
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
