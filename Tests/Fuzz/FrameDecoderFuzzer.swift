// A libFuzzer target for Wire: see run. The sources of Wire are compiled into it.

/// The first two bytes are the limit, the third says how the rest is cut into pieces.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzFrameDecoder(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
    guard count > 3 else { return 0 }
    let input = UnsafeRawBufferPointer(start: start, count: count)
    let limit = Int(input[0]) << 8 | Int(input[1])
    let stream = UnsafeRawBufferPointer(rebasing: input[3...])
    let whole = decode(stream, limit: limit, piece: stream.count)
    let pieces = decode(stream, limit: limit, piece: Int(input[2] % 32) + 1)
    precondition(whole == pieces, "the same bytes, cut differently, are different frames")
    return 0
}

/// What is found, in numbers; and every step's claims are checked.
private func decode(_ stream: UnsafeRawBufferPointer, limit: Int, piece: Int) -> [UInt64] {
    var decoder = FrameDecoder(maxDataLength: limit)
    var found: [UInt64] = []
    var position = 0
    var readable = 0
    while true {
        let bytes = UnsafeRawBufferPointer(rebasing: stream[position..<readable])
        switch decoder.next(bytes) {
        case .needMore(let total):
            precondition(total > bytes.count, "more is needed than is there")
            guard readable < stream.count else { return found }
            readable = min(stream.count, readable + piece)
        case .frame(let header, let data):
            precondition(data.lowerBound == FrameHeader.size && data.count == Int(header.length))
            precondition(data.upperBound <= bytes.count && data.count <= limit)
            found.append(UInt64(header.streamID) << 32 | UInt64(header.length))
            position += data.upperBound
        case .oversized(let header, let count):
            precondition(Int(header.length) > limit && count >= FrameHeader.size && count <= bytes.count)
            found.append(.max - UInt64(header.length))
            position += count
        case .skip(let count):
            precondition(count > 0 && count <= bytes.count)
            position += count
        }
    }
}
