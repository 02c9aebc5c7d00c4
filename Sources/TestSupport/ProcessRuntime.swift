// SPDX-License-Identifier: Apache-2.0

internal import CHost
package import Pool
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A runtime whose members are real agents in ordinary processes instead of containers, for tests of everything above
/// the runtime, on any machine.
package final class ProcessRuntime: ContainerRuntime {
    private struct State {
        var processes: [MemberID: pid_t] = [:]
        var created = 0
        var failure: RuntimeError?
        var evicted: (@Sendable (MemberID, Eviction) -> Void)?
    }

    private let state = Mutex(State())
    private let agent: String
    /// Variables of the image that are not UTF-8: one by its value, one by its name.
    private static let bytes = [Array("IMAGE_BYTES=".utf8) + [0xff, 0x21], [0xe9] + Array("=bytes".utf8)]

    /// The CPU time of each of its members, as the test says; nil if nothing counts it.
    private let cpu: CPUMeter.Count?

    package init(cpu: CPUMeter.Count? = nil) throws(MissingPart) {
        self.cpu = cpu
        agent = try BuildProducts.program("berth-agent")
    }

    package var kind: String { "process" }
    /// Number of creates so far, including failed ones.
    package var created: Int { state.withLock { $0.created } }
    package var alive: Int { state.withLock { $0.processes.count } }

    /// From now on, every create fails with this; nil: creates succeed again.
    package func fail(_ error: RuntimeError?) { state.withLock { $0.failure = error } }

    package func watchEvictions(_ told: @escaping @Sendable (MemberID, Eviction) -> Void) {
        state.withLock { $0.evicted = told }
    }

    /// Takes a member back, so the pool is told.
    package func evict(_ member: MemberID, _ eviction: Eviction) { state.withLock { $0.evicted }?(member, eviction) }

    /// The process of a member's agent.
    package func process(of member: MemberID) -> Int32? { state.withLock { $0.processes[member] } }

    package func create(_ member: MemberID, _ template: MemberTemplate) async throws(RuntimeError) -> MemberStream {
        let failure = state.withLock { state in
            state.created += 1
            return state.failure
        }
        if let failure { throw failure }
        var sockets: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &sockets) == 0 else {
            throw RuntimeError(.failed, "socketpair: \(String(cString: strerror(errno)))")
        }
        defer { close(sockets[1]) }
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(agent), strdup("--stdio"), nil]
        let variables = ["IMAGE_SAYS=hello", "HOME=/root"].map { Array($0.utf8) } + ProcessRuntime.bytes
        var environment: [UnsafeMutablePointer<CChar>?] =
            variables.map { variable in
                (variable.map { CChar(bitPattern: $0) } + [0]).withUnsafeBufferPointer {
                    $0.baseAddress.flatMap { strdup($0) }
                }
            } + [nil]
        defer { for pointer in arguments + environment { free(pointer) } }
        // No other descriptors are inherited: an agent that held a socket of NIO would keep it open after it is closed
        // here.
        let pid = berth_spawn(&arguments, &environment, sockets[1], sockets[1], STDERR_FILENO, -1)
        guard pid > 0 else {
            close(sockets[0])
            throw RuntimeError(.failed, "\(agent): \(String(cString: strerror(-pid)))")
        }
        state.withLock { $0.processes[member] = pid }
        return MemberStream(socket: sockets[0], cpu: cpu.map { CPUMeter(told: $0) })
    }

    package func remove(_ member: MemberID) async throws(RuntimeError) {
        guard let pid = state.withLock({ $0.processes[member] }) else { return }
        // The agent, and its programs with it, end when its stream does. This gives it a moment for that.
        for _ in 0..<500 {
            if waitpid(pid, nil, WNOHANG) != 0 { break }
            try? await Task.sleep(for: .milliseconds(2))
        }
        kill(pid, SIGKILL)
        waitpid(pid, nil, 0)
        state.withLock { $0.processes[member] = nil }
    }

    package func members() async throws(RuntimeError) -> [MemberID] { state.withLock { Array($0.processes.keys) } }
    package func shutdown() async {}
}
