// SPDX-License-Identifier: Apache-2.0

import Berth
import BerthRPC
import Configuration
import Housekeeping
import NIOCore

/// A server as a service of systemd: what it tells its manager, and the sockets that it gets from it.
extension Server {
    /// Tells the manager, if there is one, that callers are served, and from now on that the server is alive.
    func tellReady(_ addresses: [ServerAddress], _ group: any EventLoopGroup) -> ServiceManager? {
        let manager = ServiceManager.current
        manager?.tellReady(status(addresses))
        keepTelling(manager, group)
        return manager
    }

    /// Lets the manager know, three times as often as it wants to, that each event loop still takes its turn.
    private func keepTelling(_ manager: ServiceManager?, _ group: any EventLoopGroup) {
        guard let manager, let limit = manager.watchdog else { return }
        let loops = Array(group.makeIterator())
        guard let first = loops.first else { return }
        // The group's own end is the end of it.
        _ = first.scheduleRepeatedTask(initialDelay: .zero, delay: TimeAmount(limit / 3)) { _ in
            Self.visit(loops[...]) { manager.tellAlive() }
        }
    }

    /// What the manager shows, one line.
    func status(_ addresses: [ServerAddress]) -> String {
        "serving \(addresses.map(\.description).joined(separator: ", "))"
    }

    private static func visit(_ loops: ArraySlice<any EventLoop>, then body: @escaping @Sendable () -> Void) {
        guard let loop = loops.first else { return body() }
        loop.execute { visit(loops.dropFirst(), then: body) }
    }

    /// Listens on the sockets that the manager has opened; the addresses of the configuration are not looked at then.
    func listen(_ rpc: RPCServer, _ tls: ServerTLS?, on sockets: [InheritedSocket]) async throws -> [ServerAddress] {
        var bound: [ServerAddress] = []
        for socket in sockets {
            var address = try ServerAddress(socket.address)
            if case .tcp(let host, let port) = address, tls != nil { address = .tls(host: host, port: port) }
            let (configuration, isLocal) = (settings.configuration, OutsideChecks.standard.isLocal(socket.address))
            if !isLocal, !configuration.insecure, !configuration.isGuarded {
                throw Failure(
                    "\(address), which this server was started with, is not loopback: whoever reaches it could run programs "
                        + "here; let the socket unit listen on 127.0.0.1, set tls and tokens, or set insecure: true if you want that",
                    code: 2)
            }
            do throws(RPCError) {
                try await rpc.listen(descriptor: socket.descriptor, isUnix: socket.isUnix, tls: tls)
            } catch {
                throw Failure(error.message)
            }
            bound.append(address)
        }
        return bound
    }
}
