// SPDX-License-Identifier: Apache-2.0

/// A picture, decoded from a PNG of 8 bits a channel that is not interlaced, as all plotting libraries write them. What is
/// transparent is white.
struct PNGImage {
    /// Maximum number of pixels.
    static let largest = 1 << 24

    let width: Int
    let height: Int
    /// Rows of 0xRRGGBB.
    let pixels: [UInt32]

    init(width: Int, height: Int, pixels: [UInt32]) {
        self.width = width
        self.height = height
        self.pixels = pixels
    }

    /// Nil for all other pictures.
    init?(_ png: [UInt8]) {
        guard png.starts(with: [137, 80, 78, 71, 13, 10, 26, 10]) else { return nil }
        var (header, palette, transparency, packed) = (
            ArraySlice<UInt8>(), ArraySlice<UInt8>(), ArraySlice<UInt8>(), [UInt8]()
        )
        var position = 8
        while position + 12 <= png.count {
            let size = PNGImage.number(png, position)
            guard size <= png.count - position - 12 else { return nil }
            let body = png[position + 8..<position + 8 + size]
            switch String(decoding: png[position + 4..<position + 8], as: UTF8.self) {
            case "IHDR": header = body
            case "PLTE": palette = body
            case "tRNS": transparency = body
            case "IDAT": packed += body
            default: break
            }
            position += size + 12
        }
        guard header.count == 13 else { return nil }
        let head = Array(header)
        width = PNGImage.number(head, 0)
        height = PNGImage.number(head, 4)
        // Its bits, and that it is not interlaced.
        guard head[8] == 8, head[12] == 0, let channels = [0: 1, 2: 3, 3: 1, 4: 2, 6: 4][head[9]] else { return nil }
        guard width > 0, height > 0, width <= PNGImage.largest, height <= PNGImage.largest / width else { return nil }
        let stride = width * channels + 1
        guard var bytes = try? Inflater.unpack(packed, limit: stride * height), bytes.count == stride * height,
            PNGImage.unfilter(&bytes, stride, channels)
        else { return nil }
        let colours = head[9] == 3 ? PNGImage.colours(Array(palette), Array(transparency)) : []
        var pixels: [UInt32] = []
        pixels.reserveCapacity(width * height)
        for row in 0..<height {
            for column in 0..<width {
                let at = row * stride + 1 + column * channels
                switch head[9] {
                case 3: pixels.append(Int(bytes[at]) < colours.count ? colours[Int(bytes[at])] : 0)
                case 0: pixels.append(PNGImage.colour(bytes[at], bytes[at], bytes[at], 255))
                case 4: pixels.append(PNGImage.colour(bytes[at], bytes[at], bytes[at], bytes[at + 1]))
                case 2: pixels.append(PNGImage.colour(bytes[at], bytes[at + 1], bytes[at + 2], 255))
                default: pixels.append(PNGImage.colour(bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]))
                }
            }
        }
        self.pixels = pixels
    }

    private static func number(_ bytes: [UInt8], _ at: Int) -> Int {
        bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) }
    }

    private static func colours(_ palette: [UInt8], _ transparency: [UInt8]) -> [UInt32] {
        (0..<palette.count / 3).map { index in
            colour(
                palette[3 * index], palette[3 * index + 1], palette[3 * index + 2],
                index < transparency.count ? transparency[index] : 255)
        }
    }

    private static func colour(_ red: UInt8, _ green: UInt8, _ blue: UInt8, _ alpha: UInt8) -> UInt32 {
        func mixed(_ channel: UInt8) -> UInt32 {
            let (value, share) = (UInt32(channel), UInt32(alpha))
            return (value * share + 255 * (255 - share) + 127) / 255
        }
        let (r, g, b) = (mixed(red), mixed(green), mixed(blue))
        return r << 16 | g << 8 | b
    }

    /// Each row says how it differs from what is left of it and above.
    private static func unfilter(_ bytes: inout [UInt8], _ stride: Int, _ channels: Int) -> Bool {
        for start in Swift.stride(from: 0, to: bytes.count, by: stride) {
            let filter = bytes[start]
            guard filter <= 4 else { return false }
            if filter == 0 { continue }
            for place in 1..<stride {
                let left = place > channels ? Int(bytes[start + place - channels]) : 0
                let above = start > 0 ? Int(bytes[start + place - stride]) : 0
                let corner = place > channels && start > 0 ? Int(bytes[start + place - stride - channels]) : 0
                let guess: Int
                switch filter {
                case 1: guess = left
                case 2: guess = above
                case 3: guess = (left + above) / 2
                default:
                    let (a, b, c) = (abs(above - corner), abs(left - corner), abs(left + above - 2 * corner))
                    guess = a <= b && a <= c ? left : b <= c ? above : corner
                }
                bytes[start + place] &+= UInt8(truncatingIfNeeded: guess)
            }
        }
        return true
    }

    /// As it is, or an integer times smaller.
    func fitting(width most: Int) -> PNGImage {
        let factor = (width + most - 1) / max(most, 1)
        guard factor > 1, height >= factor else { return self }
        let (columns, rows) = (width / factor, height / factor)
        var small: [UInt32] = []
        small.reserveCapacity(columns * rows)
        for row in 0..<rows {
            for column in 0..<columns {
                var (red, green, blue) = (UInt32(0), UInt32(0), UInt32(0))
                for y in 0..<factor {
                    for x in 0..<factor {
                        let pixel = pixels[(row * factor + y) * width + column * factor + x]
                        red += pixel >> 16
                        green += pixel >> 8 & 255
                        blue += pixel & 255
                    }
                }
                let count = UInt32(factor * factor)
                let (r, g, b) = (red / count, green / count, blue / count)
                small.append(r << 16 | g << 8 | b)
            }
        }
        return PNGImage(width: columns, height: rows, pixels: small)
    }
}
