// SPDX-License-Identifier: Apache-2.0

internal import CHost
@preconcurrency internal import Dispatch
internal import GatedLog
internal import Hardening
internal import Logging
internal import Pool
internal import Synchronization

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// The listening end of one member: a directory with `agent.sock`, which is bind-mounted into the container. It accepts one
/// connection, and then the socket is removed.
///
/// Only its owner can enter the directory above it; this one is open to whatever user the engine maps root to.
final class AgentSocket: Sendable {
    static let name = "agent.sock"
    private static let queue = DispatchQueue(label: "berth.docker.accept")

    let directory: String
    private let listener: any DispatchSourceRead
    private let waiter = Mutex<Waiter>(.none)

    private enum Waiter {
        case none
        case waiting(CheckedContinuation<AcceptedSocket?, Never>)
        /// The connection was accepted before anybody waited, or listening has ended (nil).
        case ended(AcceptedSocket?)
    }

    init(directory: String) throws(RuntimeError) {
        self.directory = directory
        let descriptor = try Self.listen(in: directory)
        listener = DispatchSource.makeReadSource(fileDescriptor: descriptor, queue: Self.queue)
        let path = "\(directory)/\(Self.name)"
        listener.setCancelHandler {
            unlink(path)
            close(descriptor)
        }
        listener.setEventHandler { [weak self] in
            let accepted = berth_accept(descriptor)
            guard accepted >= 0 else { return }
            self?.end(AcceptedSocket(accepted))
        }
        listener.activate()
    }

    deinit { listener.cancel() }

    /// Waits for the connection. Cancelling the task ends the wait and the listener at once.
    func accept() async throws -> AcceptedSocket {
        let accepted = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let ready: AcceptedSocket?? = waiter.withLock { waiter in
                    if case .ended(let accepted) = waiter {
                        waiter = .ended(nil)
                        return .some(accepted)
                    }
                    waiter = .waiting(continuation)
                    return .none
                }
                if let ready { continuation.resume(returning: ready) }
            }
        } onCancel: {
            end(nil)
        }
        guard let accepted else { throw CancellationError() }
        return accepted
    }

    private func end(_ accepted: AcceptedSocket?) {
        listener.cancel()
        let waiting = waiter.withLock { waiter -> CheckedContinuation<AcceptedSocket?, Never>? in
            switch waiter {
            case .waiting(let continuation):
                waiter = .ended(nil)
                return continuation
            case .none:
                waiter = .ended(accepted)
                return nil
            case .ended: return nil
            }
        }
        waiting?.resume(returning: accepted)
    }

    private static func listen(in directory: String) throws(RuntimeError) -> Int32 {
        let holder = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard holder >= 0 else { throw failure("open", directory) }
        defer { close(holder) }
        let descriptor = socket(
            AF_UNIX, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard descriptor >= 0 else { throw failure("make a socket in", directory) }
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        // Through the descriptor, since a socket's own path has at most 107 bytes.
        let path = "/proc/self/fd/\(holder)/\(name)"
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard bound == 0, chmod("\(directory)/\(name)", 0o666) == 0, startListening(descriptor) == 0 else {
            let error = failure("listen in", directory)
            close(descriptor)
            throw error
        }
        return descriptor
    }

    private static func failure(_ what: String, _ directory: String) -> RuntimeError {
        let code = errno
        return RuntimeError(.failed, "can't \(what) \(directory): \(String(cString: strerror(code)))", errno: code)
    }
}

/// A connected socket, which is closed when it is dropped, unless `take` passes it on.
final class AcceptedSocket: Sendable {
    private let descriptor: Mutex<Int32?>

    init(_ descriptor: Int32) { self.descriptor = Mutex(descriptor) }

    /// Limits the memory of sockets in the container, whose first process is the peer.
    func limitSockets(_ gate: LogGate) {
        // Its process, user and group.
        var peer: [Int32] = [0, 0, 0]
        var size = socklen_t(12)
        let process = descriptor.withLock { descriptor in
            descriptor.map { getsockopt($0, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer[0] : 0 } ?? 0
        }
        // 0 means that it is in another PID namespace, maybe on another machine.
        guard process > 0, !SocketMemory.limit(process) else { return }
        gate.log(
            .warning, "what the sockets of a container hold is not limited: that takes root, with cgroup v1",
            metadata: ["error": "\(String(cString: strerror(errno)))"])
    }

    func take() -> Int32? { descriptor.withLock { $0.take() } }

    deinit { if let descriptor = take() { close(descriptor) } }
}

// Under another name, since a method hides it.
private func startListening(_ descriptor: Int32) -> Int32 { listen(descriptor, 1) }
