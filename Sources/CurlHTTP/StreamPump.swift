// SPDX-License-Identifier: Apache-2.0

internal import CCurl

#if canImport(Glibc)
    internal import Glibc
#elseif canImport(Musl)
    internal import Musl
#endif

/// A connection that libcurl has made and no longer speaks on: one thread's.
struct RawConnection {
    enum Outcome {
        case moved(Int)
        case wouldBlock
        case ended
    }

    let easy: UnsafeMutableRawPointer
    /// To wait on; what is read and written goes through curl, since it may be encrypted.
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

/// Moves bytes between an upgraded connection and a local socket until one of them ends. Each direction holds one piece,
/// and reads the next when that is gone: who reads slowly holds the other end back.
struct StreamPump {
    private static let pieceBytes = 128 << 10

    private let connection: RawConnection
    private let local: Int32
    private var decoder: any StreamDecoder
    /// On the way to the local socket, decoded, and what of it has gone.
    private var inbound: [UInt8] = []
    private var inboundGone = 0
    /// On the way to the connection.
    private var outbound: [UInt8] = []
    private var outboundGone = 0
    private var hasConnectionEnded = false

    init(connection: RawConnection, local: Int32, decoder: any StreamDecoder) {
        self.connection = connection
        self.local = local
        self.decoder = decoder
    }

    mutating func run(beginningWith rest: [UInt8]) {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: Self.pieceBytes, alignment: 16)
        defer { piece.deallocate() }
        rest.withUnsafeBytes { take($0) }
        // What is known to have nothing, or no room, until poll says otherwise.
        var (fromLocal, fromConnection, toLocal, toConnection) = (true, true, true, true)
        while true {
            var hasMoved = false
            if outbound.isEmpty, fromLocal {
                let count = recv(local, piece.baseAddress, piece.count, 0)
                if count > 0 {
                    outbound.append(contentsOf: UnsafeRawBufferPointer(rebasing: piece[..<count]))
                    hasMoved = true
                } else if count == 0 || errno != EAGAIN && errno != EINTR {
                    // Nobody is there any more to read what still comes.
                    return
                } else {
                    fromLocal = false
                }
            }
            if !outbound.isEmpty, toConnection {
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
            if inbound.isEmpty, fromConnection, !hasConnectionEnded {
                switch connection.receive(piece) {
                case .moved(let count):
                    take(UnsafeRawBufferPointer(rebasing: piece[..<count]))
                    hasMoved = true
                case .wouldBlock: fromConnection = false
                case .ended: hasConnectionEnded = true
                }
            }
            if !inbound.isEmpty, toLocal {
                let count = inbound.withUnsafeBytes {
                    Glibc.send(
                        local, $0.baseAddress.map { $0 + inboundGone }, $0.count - inboundGone,
                        Int32(MSG_NOSIGNAL))
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
                    return
                }
            }
            if hasConnectionEnded, inbound.isEmpty { return }
            if hasMoved { continue }
            // A descriptor of which nothing is wanted would tell its end again and again.
            let ofConnection = (outbound.isEmpty ? 0 : POLLOUT) | (inbound.isEmpty ? POLLIN : 0)
            let ofLocal = (outbound.isEmpty ? POLLIN : 0) | (inbound.isEmpty ? 0 : POLLOUT)
            let isConnectionWanted = !hasConnectionEnded && ofConnection != 0
            var ends = [
                pollfd(fd: isConnectionWanted ? connection.socket : -1, events: Int16(ofConnection), revents: 0),
                pollfd(fd: local, events: Int16(ofLocal), revents: 0),
            ]
            _ = poll(&ends, 2, -1)
            if ends[1].revents & Int16(POLLHUP | POLLERR) != 0, !outbound.isEmpty { return }
            if ends[0].revents != 0 { (fromConnection, toConnection) = (true, true) }
            if ends[1].revents != 0 { (fromLocal, toLocal) = (true, true) }
        }
    }

    private mutating func take(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        do throws(HTTPError) { try decoder.decode(bytes, into: &inbound) } catch { hasConnectionEnded = true }
    }
}
