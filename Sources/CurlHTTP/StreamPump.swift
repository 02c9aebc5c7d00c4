// SPDX-License-Identifier: Apache-2.0

internal import CCurl

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A connection that libcurl has made and no longer uses by itself. It belongs to one thread.
struct RawConnection {
    enum Outcome {
        case moved(Int)
        case wouldBlock
        case ended
    }

    let easy: UnsafeMutableRawPointer
    /// Only for waiting: reading and writing goes through curl, since the connection may be encrypted.
    let socket: Int32

    func send(_ bytes: ArraySlice<UInt8>) -> Outcome {
        bytes.withUnsafeBytes { bytes in
            var count = 0
            return outcome(curl_easy_send(easy, bytes.baseAddress, bytes.count, &count), count)
        }
    }

    func receive(_ buffer: UnsafeMutableRawBufferPointer) -> Outcome {
        var count = 0
        let code = curl_easy_recv(easy, buffer.baseAddress, buffer.count, &count)
        return code == CURLE_OK && count == 0 ? .ended : outcome(code, count)
    }

    private func outcome(_ code: CURLcode, _ count: Int) -> Outcome {
        switch code {
        case CURLE_OK: .moved(count)
        case CURLE_AGAIN: .wouldBlock
        default: .ended
        }
    }
}

/// Copies bytes between an upgraded connection and a local socket until one of them ends. Each direction buffers one
/// read and reads again when that is written: this gives backpressure.
struct StreamPump {
    private static let pieceBytes = 128 << 10

    private let connection: RawConnection
    private let local: Int32
    private var decoder: any StreamDecoder
    /// Decoded bytes for the local socket.
    private var inbound: [UInt8] = []
    private var inboundGone = 0
    /// Bytes for the connection.
    private var outbound: [UInt8] = []
    private var outboundGone = 0
    private var hasConnectionEnded = false
    // Whether a read or write may succeed. False after EAGAIN, until poll reports the descriptor.
    private var fromLocal = true
    private var fromConnection = true
    private var toLocal = true
    private var toConnection = true
    /// Whether this round has moved any bytes.
    private var hasMoved = false
    /// Whether the local socket has ended, so that nothing more can be moved.
    private var isOver = false

    init(connection: RawConnection, local: Int32, decoder: any StreamDecoder) {
        self.connection = connection
        self.local = local
        self.decoder = decoder
    }

    mutating func run(beginningWith rest: [UInt8]) {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceBytes, alignment: 16)
        defer { piece.deallocate() }
        rest.withUnsafeBytes { take($0) }
        while !isOver {
            hasMoved = false
            if outbound.isEmpty, fromLocal { readLocal(piece) }
            if !isOver, !outbound.isEmpty, toConnection { writeConnection() }
            if !isOver, inbound.isEmpty, fromConnection, !hasConnectionEnded { readConnection(piece) }
            if !isOver, !inbound.isEmpty, toLocal { writeLocal() }
            if hasConnectionEnded, inbound.isEmpty { return }
            if !isOver, !hasMoved { wait() }
        }
    }

    private mutating func readLocal(_ piece: UnsafeMutableRawBufferPointer) {
        let count = recv(local, piece.baseAddress, piece.count, 0)
        if count > 0 {
            outbound.append(contentsOf: UnsafeRawBufferPointer(rebasing: piece[..<count]))
            hasMoved = true
        } else if count == 0 || errno != EAGAIN && errno != EINTR {
            // The caller has closed its end, so nobody would read the rest.
            isOver = true
        } else {
            fromLocal = false
        }
    }

    private mutating func writeConnection() {
        switch connection.send(outbound[outboundGone...]) {
        case .moved(let count):
            outboundGone += count
            hasMoved = hasMoved || count > 0
            if outboundGone == outbound.count {
                outbound.removeAll(keepingCapacity: true)
                outboundGone = 0
            }
        case .wouldBlock: toConnection = false
        case .ended: hasConnectionEnded = true
        }
    }

    private mutating func readConnection(_ piece: UnsafeMutableRawBufferPointer) {
        switch connection.receive(piece) {
        case .moved(let count):
            take(UnsafeRawBufferPointer(rebasing: piece[..<count]))
            hasMoved = true
        case .wouldBlock: fromConnection = false
        case .ended: hasConnectionEnded = true
        }
    }

    private mutating func writeLocal() {
        let count = inbound.withUnsafeBytes {
            Glibc.send(
                local, $0.baseAddress.map { $0 + inboundGone }, $0.count - inboundGone, Int32(MSG_NOSIGNAL))
        }
        if count > 0 {
            inboundGone += count
            hasMoved = true
            if inboundGone == inbound.count {
                inbound.removeAll(keepingCapacity: true)
                inboundGone = 0
            }
        } else if errno == EAGAIN {
            toLocal = false
        } else if errno != EINTR {
            isOver = true
        }
    }

    /// Waits until a read or a write may succeed again.
    private mutating func wait() {
        // If nothing is wanted from the connection, it is not polled: its end would be reported again and again.
        let ofConnection = (outbound.isEmpty ? 0 : POLLOUT) | (inbound.isEmpty ? POLLIN : 0)
        let ofLocal = (outbound.isEmpty ? POLLIN : 0) | (inbound.isEmpty ? 0 : POLLOUT)
        let isConnectionWanted = !hasConnectionEnded && ofConnection != 0
        var ends = [
            pollfd(fd: isConnectionWanted ? connection.socket : -1, events: Int16(ofConnection), revents: 0),
            pollfd(fd: local, events: Int16(ofLocal), revents: 0),
        ]
        _ = poll(&ends, 2, -1)
        if ends[1].revents & Int16(POLLHUP | POLLERR) != 0, !outbound.isEmpty { isOver = true }
        if ends[0].revents != 0 { (fromConnection, toConnection) = (true, true) }
        if ends[1].revents != 0 { (fromLocal, toLocal) = (true, true) }
    }

    private mutating func take(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        do throws(HTTPError) { try decoder.decode(bytes, into: &inbound) } catch { hasConnectionEnded = true }
    }
}
