// SPDX-License-Identifier: Apache-2.0

/// The extents of a sparse file that an archive stores, the rest being holes, and the position of the reader.
/// The formats are those that GNU tar and libarchive write: GNU's old format, and versions 0.0, 0.1 and 1.0 of its pax
/// format.
struct SparseMap: Equatable {
    struct Extent: Equatable {
        let offset: UInt64
        let count: UInt64

        var end: UInt64 { offset + count }
    }

    /// Maximum number of extents that are kept for one file: 4 MiB.
    static let maxExtents = 1 << 18

    /// Bytes of the file, including holes.
    let size: UInt64
    /// Bytes that the archive stores.
    let stored: UInt64
    private let extents: [Extent]
    private var next = 0
    private var position: UInt64 = 0

    /// - Parameter numbers: offset, count, offset, count …
    /// - Returns: nil if the extents are not in order, or exceed the size.
    init?(size: UInt64, numbers: [UInt64]) {
        guard size <= UInt64(Int64.max), numbers.count.isMultiple(of: 2) else { return nil }
        var extents: [Extent] = []
        var end: UInt64 = 0
        var stored: UInt64 = 0
        for index in stride(from: 0, to: numbers.count, by: 2) {
            let (offset, count) = (numbers[index], numbers[index + 1])
            guard offset >= end, offset <= size, count <= size - offset else { return nil }
            end = offset + count
            // The last extent is often empty: it marks the end of the file.
            guard count > 0 else { continue }
            extents.append(Extent(offset: offset, count: count))
            stored += count
        }
        self.size = size
        self.stored = stored
        self.extents = extents
    }

    /// Bytes from the position to the end of the hole; 0 if the position is not in a hole, or at the end of the file.
    var hole: UInt64 {
        let end = next < extents.count ? extents[next].offset : size
        return end > position ? end - position : 0
    }

    /// Bytes from the position to the end of the extent; 0 if the position is in a hole, or at the end of the file.
    var content: UInt64 {
        guard next < extents.count, position >= extents[next].offset else { return 0 }
        return extents[next].end - position
    }

    /// - Parameter count: at most `hole` or `content`, whichever is not 0.
    mutating func advance(_ count: UInt64) {
        position += count
        if next < extents.count, position == extents[next].end { next += 1 }
    }
}

/// What the pax headers of a sparse file say, before its map is complete.
struct SparseHeaders {
    private var major: UInt64 = 0
    private var minor: UInt64 = 0
    private var size: UInt64?
    private var numbers: [UInt64] = []
    private var isDamaged = false
    /// The real name of the file; the header before its content has a made-up one.
    private(set) var name: [UInt8]?

    /// Whether the map is at the start of the content, in decimal digits.
    var isMapInContent: Bool { major == 1 && minor == 0 }
    /// Whether this is one of the three versions that exist.
    var isKnown: Bool { isMapInContent || (major == 0 && minor <= 1) }

    /// Adds a record of a pax header.
    /// - Parameter key: what follows "GNU.sparse.".
    mutating func add(_ key: Substring, _ value: ArraySlice<UInt8>) {
        if key == "name" {
            name = Array(value)
            return
        }
        if key == "map" {
            guard !value.isEmpty else { return }
            for number in value.split(separator: UInt8(ascii: ","), omittingEmptySubsequences: false) { add(number) }
            return
        }
        guard let number = Self.number(value) else {
            isDamaged = true
            return
        }
        switch key {
        case "major": major = number
        case "minor": minor = number
        case "size", "realsize": size = number
        case "offset", "numbytes":
            // Offsets and counts must alternate.
            if numbers.count.isMultiple(of: 2) != (key == "offset") { isDamaged = true }
            add(value)
        default: break
        }
    }

    /// The complete map of a file.
    /// - Parameters:
    ///   - inContent: the numbers of the map at the start of the content.
    ///   - stored: bytes of the content in the archive, without such a map.
    /// - Returns: nil if the map is inconsistent.
    func map(inContent: [UInt64], stored: UInt64) -> SparseMap? {
        guard !isDamaged, let size else { return nil }
        guard let map = SparseMap(size: size, numbers: isMapInContent ? inContent : numbers), map.stored == stored
        else {
            return nil
        }
        return map
    }

    static func number(_ digits: ArraySlice<UInt8>) -> UInt64? {
        guard (1...20).contains(digits.count), digits.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return UInt64(String(decoding: digits, as: UTF8.self))
    }

    private mutating func add(_ digits: ArraySlice<UInt8>) {
        guard let number = Self.number(digits), numbers.count < 2 * SparseMap.maxExtents else {
            isDamaged = true
            return
        }
        numbers.append(number)
    }
}

extension Tar {
    /// GNU's old format: the first extents are in the header, the others in blocks that follow it.
    static let sparsePieces = Field(offset: 386, size: 4 * 24)
    static let sparseGoesOn = 482
    static let sparseSize = Field(offset: 483, size: 12)
    static let moreSparsePieces = Field(offset: 0, size: 21 * 24)
    static let moreSparseGoesOn = 504

    /// Adds offset and count of each extent. Returns false if they are not numbers.
    static func addPieces(_ field: ArraySlice<UInt8>, to numbers: inout [UInt64]) -> Bool {
        for start in stride(from: field.startIndex, to: field.endIndex, by: 24) {
            // Unused fields are empty.
            guard field[start + 12] != 0 else { return true }
            guard let offset = number(field[start..<start + 12]), let count = number(field[start + 12..<start + 24])
            else {
                return false
            }
            numbers += [offset, count]
        }
        return true
    }
}
