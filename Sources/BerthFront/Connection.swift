// SPDX-License-Identifier: Apache-2.0

import BerthSchema
import BerthWire

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// A connection to a server: frames to send, and frames that came. It never blocks; callers poll `socket`.
struct Connection: ~Copyable {
    /// Why the connection was lost.
    struct Lost: Error {
        let message: String
    }

    struct Frame {
        let header: FrameHeader
        /// Valid until the next `receive`.
        let data: UnsafeRawBufferPointer
    }

    /// Milliseconds to connect, enough for a server that runs. Otherwise the whole program waits longer, and reports
    /// the error.
    private static let connectTime: Int32 = 250
    private static let firstRoom = 128 << 10

    let socket: Int32
    private let arena = Arena()
    private var lastStream: UInt32 = UInt32.max
    private var unsent: [UInt8] = []
    private var decoder = FrameDecoder()
    private var room = UnsafeMutableRawBufferPointer.allocate(byteCount: firstRoom, alignment: 16)
    /// Bytes that were read and are not a complete frame yet.
    private var unread = 0..<0

    init?(to address: NumericAddress) {
        guard let socket = address.connect(within: Connection.connectTime) else { return nil }
        self.socket = socket
    }

    deinit {
        close(socket)
        room.deallocate()
    }

    // MARK: Sending

    /// Calls a method that answers with a stream.
    mutating func call<Request, Event>(_ method: StreamingMethod<Request, Event>, _ request: Request) -> UInt32 {
        call(method.service, method.name, .remoteClosed, request)
    }

    /// Makes a unary call.
    @discardableResult
    mutating func call<Request, Response>(_ method: UnaryMethod<Request, Response>, _ request: Request) -> UInt32 {
        call(method.service, method.name, [], request)
    }

    private mutating func call(
        _ service: String, _ method: String, _ flags: FrameFlags, _ request: some Message
    ) -> UInt32 {
        lastStream &+= 2
        let head = RequestHead(service: service, method: method)
        let header = FrameHeader.size
        request.encode(arena: arena) { payloadSize, pack in
            let size = head.size(payloadSize: payloadSize)
            let start = unsent.count
            unsent.append(contentsOf: repeatElement(0, count: header + size))
            unsent.withUnsafeMutableBytes { bytes in
                let frame = UnsafeMutableRawBufferPointer(rebasing: bytes[start...])
                FrameHeader(length: UInt32(size), streamID: lastStream, type: .request, flags: flags).encode(
                    into: frame)
                head.write(
                    payloadSize: payloadSize, into: UnsafeMutableRawBufferPointer(rebasing: frame[header...]), pack)
            }
        }
        return lastStream
    }

    /// Whether there are frames that the socket has not taken yet.
    var hasUnsent: Bool { !unsent.isEmpty }

    /// Sends what the socket takes. If the connection is lost, `receive` reports that, after everything that came.
    mutating func send() {
        while !unsent.isEmpty {
            let count = unsent.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            if count > 0 {
                unsent.removeFirst(count)
            } else if errno == EAGAIN {
                return
            } else if errno != EINTR {
                unsent = []
            }
        }
    }

    // MARK: Receiving

    /// Reads available bytes.
    mutating func receive() throws(Lost) {
        if unread.isEmpty { unread = 0..<0 }
        let count = recv(socket, room.baseAddress.map { $0 + unread.upperBound }, room.count - unread.upperBound, 0)
        if count > 0 {
            unread = unread.lowerBound..<unread.upperBound + count
        } else if count == 0 {
            throw Lost(message: "the peer closed the connection")
        } else if errno != EAGAIN, errno != EINTR {
            throw Lost(message: "the connection failed: \(String(cString: strerror(errno)))")
        }
    }

    /// The next frame from the bytes that were read. Nil if more must be read, for which there is room then.
    mutating func next() throws(Lost) -> Frame? {
        switch decoder.next(UnsafeRawBufferPointer(rebasing: room[unread])) {
        case .frame(let header, let data):
            let start = unread.lowerBound
            unread = start + data.upperBound..<unread.upperBound
            return Frame(
                header: header,
                data: UnsafeRawBufferPointer(rebasing: room[start + data.lowerBound..<start + data.upperBound]))
        case .needMore(let total):
            makeRoom(for: total)
            return nil
        case .oversized(let header, _):
            throw Lost(
                message: "the connection was closed because the peer broke the protocol: a frame of \(header.length) "
                    + "bytes of data, the limit is \(FrameHeader.maxDataLength)")
        case .skip: return nil
        }
    }

    private mutating func makeRoom(for total: Int) {
        guard unread.lowerBound + total > room.count || unread.upperBound == room.count else { return }
        let larger = total > room.count ? .allocate(byteCount: total, alignment: 16) : room
        if let there = larger.baseAddress, let here = room.baseAddress {
            there.copyMemory(from: here + unread.lowerBound, byteCount: unread.count)
        }
        if total > room.count { room.deallocate() }
        room = larger
        unread = 0..<unread.count
    }
}
