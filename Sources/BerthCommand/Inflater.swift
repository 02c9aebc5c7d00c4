// SPDX-License-Identifier: Apache-2.0

/// Unpacks what zlib has packed (RFC 1950 and 1951), as in a PNG. A library for that would have to be loaded for few
/// kilobytes that are shown now and then.
struct Inflater {
    /// The data is none of zlib's, is cut off, or is longer than it may be.
    struct Failed: Error {}

    private let data: [UInt8]
    private var position: Int
    private var bits: UInt32 = 0
    private var bitCount = 0
    private var out: [UInt8] = []
    private let limit: Int

    /// - Parameter limit: maximum bytes of the result.
    static func unpack(_ data: [UInt8], limit: Int) throws(Failed) -> [UInt8] {
        // The method is deflate, and there is no dictionary.
        guard data.count > 2, data[0] & 15 == 8, data[1] & 32 == 0 else { throw Failed() }
        var inflater = Inflater(data, limit)
        while try inflater.block() {}
        return inflater.out
    }

    private init(_ data: [UInt8], _ limit: Int) {
        self.data = data
        self.limit = limit
        position = 2
    }

    /// - Returns: whether another block follows.
    private mutating func block() throws(Failed) -> Bool {
        let isLast = try take(1) == 1
        switch try take(2) {
        case 0: try stored()
        case 1: try packed(Inflater.fixed.literals, Inflater.fixed.distances)
        case 2:
            let (literals, distances) = try tables()
            try packed(literals, distances)
        default: throw Failed()
        }
        return !isLast
    }

    private mutating func take(_ count: Int) throws(Failed) -> Int {
        while bitCount < count {
            guard position < data.count else { throw Failed() }
            bits |= UInt32(data[position]) << UInt32(bitCount)
            position += 1
            bitCount += 8
        }
        defer {
            bits >>= UInt32(count)
            bitCount -= count
        }
        return Int(bits & (1 << UInt32(count) - 1))
    }

    private mutating func stored() throws(Failed) {
        (bits, bitCount) = (0, 0)
        guard position + 4 <= data.count else { throw Failed() }
        let count = Int(data[position]) | Int(data[position + 1]) << 8
        position += 4
        guard position + count <= data.count, out.count + count <= limit else { throw Failed() }
        out += data[position..<position + count]
        position += count
    }

    // MARK: Codes

    /// A Huffman code: how many symbols have codes of each length, and the symbols in the order of their codes.
    private struct Code {
        var counts = [Int](repeating: 0, count: 16)
        var symbols: [Int] = []

        init(lengths: some Collection<Int>) {
            for length in lengths { counts[length] += 1 }
            counts[0] = 0
            for length in 1...15 {
                symbols += lengths.enumerated().filter { $0.element == length }.map(\.offset)
            }
        }
    }

    private static let fixed = (
        literals: Code(
            lengths: [Int](repeating: 8, count: 144) + [Int](repeating: 9, count: 112) + [Int](repeating: 7, count: 24)
                + [Int](repeating: 8, count: 8)),
        distances: Code(lengths: [Int](repeating: 5, count: 30))
    )
    private static let order = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15]

    private mutating func symbol(_ code: Code) throws(Failed) -> Int {
        var (value, first, index) = (0, 0, 0)
        for length in 1...15 {
            value |= try take(1)
            let count = code.counts[length]
            if value - first < count { return code.symbols[index + value - first] }
            index += count
            first = (first + count) << 1
            value <<= 1
        }
        throw Failed()
    }

    private mutating func tables() throws(Failed) -> (Code, Code) {
        let (literals, distances, codes) = (try take(5) + 257, try take(5) + 1, try take(4) + 4)
        var small = [Int](repeating: 0, count: 19)
        for index in 0..<codes { small[Inflater.order[index]] = try take(3) }
        let code = Code(lengths: small)
        var lengths: [Int] = []
        while lengths.count < literals + distances {
            let symbol = try symbol(code)
            switch symbol {
            case 16:
                guard let last = lengths.last else { throw Failed() }
                lengths += [Int](repeating: last, count: try take(2) + 3)
            case 17: lengths += [Int](repeating: 0, count: try take(3) + 3)
            case 18: lengths += [Int](repeating: 0, count: try take(7) + 11)
            default: lengths.append(symbol)
            }
        }
        guard lengths.count == literals + distances else { throw Failed() }
        return (Code(lengths: lengths[..<literals]), Code(lengths: Array(lengths[literals...])))
    }

    private static let lengthBases = [
        3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227,
        258,
    ]
    private static let distanceBases = [
        1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097,
        6145,
        8193, 12289, 16385, 24577,
    ]

    private mutating func packed(_ literals: Code, _ distances: Code) throws(Failed) {
        while true {
            let symbol = try symbol(literals)
            if symbol == 256 { return }
            if symbol < 256 {
                guard out.count < limit else { throw Failed() }
                out.append(UInt8(symbol))
                continue
            }
            guard symbol < 286 else { throw Failed() }
            let index = symbol - 257
            let length = Inflater.lengthBases[index] + (try take(index < 8 || index == 28 ? 0 : (index - 4) / 4))
            let place = try self.symbol(distances)
            guard place < 30 else { throw Failed() }
            let distance = Inflater.distanceBases[place] + (try take(place < 4 ? 0 : (place - 2) / 2))
            guard distance <= out.count, out.count + length <= limit else { throw Failed() }
            for _ in 0..<length { out.append(out[out.count - distance]) }
        }
    }
}
