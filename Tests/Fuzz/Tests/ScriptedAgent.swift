// SPDX-License-Identifier: Apache-2.0

import AgentSchema
import BerthSchema
import BerthWire
import Foundation
import Glibc
import TestSupport

/// An agent at the other end of a real socket, on its own thread. It answers the first ping, which each connection
/// needs. Then it sends what its script decides, and closes the connection at the end of the script; or it stays
/// honest.
struct ScriptedAgent {
    /// The server's end of the socket.
    let socket: Int32

    /// - Parameter script: the script; nil: it answers every ping, and sends nothing else.
    init(script: [UInt8]?) throws {
        var ends: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0, &ends) == 0 else {
            throw NeverHappened(description: "socketpair: errno \(errno)")
        }
        socket = ends[0]
        // Should the server never say anything, the thread ends all the same.
        var limit = timeval(tv_sec: 60, tv_usec: 0)
        setsockopt(ends[1], SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(ends[1], SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let own = ends[1]
        Thread.detachNewThread {
            if let script { ScriptedAgent.lie(own, script) } else { ScriptedAgent.serve(own) }
            close(own)
        }
    }

    private static let pong = Response(payload: Agent.PingResponse(version: "1", pid: 1).encoded()).encoded()

    private static func serve(_ socket: Int32) {
        var (decoder, unread) = (FrameDecoder(), [UInt8]())
        while receive(socket, wait: true, { unread += $0 }) {
            while case .frame(let header, let data) = unread.withUnsafeBytes({ decoder.next($0) }) {
                unread.removeFirst(data.upperBound)
                guard send(socket, frame(.response, id: header.streamID, pong)) else { return }
            }
        }
    }

    private static func lie(_ socket: Int32, _ bytes: [UInt8]) {
        var agent = HostileAgent()
        guard receive(socket, wait: true, { agent.receive($0) }), send(socket, frame(.response, id: 1, pong)),
            receive(socket, wait: true, { agent.receive($0) })
        else { return }
        bytes.withUnsafeBytes { bytes in
            var script = ByteScript(bytes)
            while !script.isOver {
                if script.choice(of: 8) == 0 { agent.dent = Dent(place: Int(script.byte()), value: script.byte()) }
                agent.speak(&script)
                guard send(socket, agent.takeWords()), receive(socket, wait: false, { agent.receive($0) }) else {
                    return
                }
            }
        }
    }

    private static func receive(_ socket: Int32, wait: Bool, _ take: ([UInt8]) -> Void) -> Bool {
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        let count = recv(socket, &chunk, chunk.count, wait ? 0 : Int32(MSG_DONTWAIT))
        guard count > 0 else { return !wait && count < 0 && errno == EAGAIN }
        take(Array(chunk[..<count]))
        return true
    }

    private static func send(_ socket: Int32, _ bytes: [UInt8]) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard count > 0 else { return false }
            rest = rest.dropFirst(count)
        }
        return true
    }
}
