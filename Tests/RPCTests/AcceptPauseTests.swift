import Glibc
import RPC
import Testing
import TestSupport

/// A process without a descriptor left: B12.
@Suite struct AcceptPauseTests {
    @Test("B12: without a descriptor left, accepting pauses instead of spinning, and goes on when there are some again")
    func exhausted() async throws {
        try await withServer { service, port, _ in
            let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
            var before = rlimit()
            getrlimit(resource, &before)
            defer { setrlimit(resource, &before) }
            var limit = before
            limit.rlim_cur = 512
            setrlimit(resource, &limit)
            var held: [Int32] = []
            while case let descriptor = dup(0), descriptor >= 0 { held.append(descriptor) }
            // One for the client's socket, none for the server's.
            if let one = held.popLast() { close(one) }
            let client = Result { try RawClient(port: port) }
            var waited: (any Error)?
            do {
                try await eventually("accepting pauses") { service.log.contains { $0.hasPrefix("paused: ") } }
            } catch {
                waited = error
            }
            for descriptor in held { close(descriptor) }
            if let waited { throw waited }
            try client.get().sayHello()
            #expect(service.log.count { $0.hasPrefix("paused: ") } <= 50, "\(service.log)")
        }
    }
}
