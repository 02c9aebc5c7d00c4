// SPDX-License-Identifier: Apache-2.0

/// A picture as escape sequences of DEC's: rows of six pixels, a colour after another, of at most 256.
enum Sixel {
    /// What asks a terminal what it can do, and the number in its answer that means sixel.
    static let question = "\u{1b}[c"
    private static let feature = "4"

    /// Whether an answer, as `ESC [ ? 62 ; 4 c`, has sixel among the features.
    static func isAmong(_ answer: String) -> Bool {
        let numbers = answer.split(whereSeparator: { !$0.isNumber })
        // The first is the terminal's kind.
        return numbers.dropFirst().contains { $0 == feature }
    }

    static func encode(_ image: PNGImage) -> String {
        let (colours, indices) = palette(of: image)
        var text = "\u{1b}P0;1q\"1;1;\(image.width);\(image.height)"
        for (index, colour) in colours.enumerated() {
            let parts = [colour >> 16, colour >> 8 & 255, colour & 255].map { "\(($0 * 100 + 127) / 255)" }
            text += "#\(index);2;\(parts.joined(separator: ";"))"
        }
        for top in stride(from: 0, to: image.height, by: 6) {
            // Which of the six pixels of each column have the colour.
            var bands: [Int: [UInt8]] = [:]
            for row in top..<min(top + 6, image.height) {
                for column in 0..<image.width {
                    let index = indices[row * image.width + column]
                    bands[index, default: [UInt8](repeating: 0, count: image.width)][column] |= 1 << UInt8(row - top)
                }
            }
            let rows = bands.sorted { $0.key < $1.key }.map { "#\($0.key)" + runs($0.value) }
            text += rows.joined(separator: "$") + "-"
        }
        return text + "\u{1b}\\"
    }

    private static func runs(_ columns: [UInt8]) -> String {
        var text = ""
        var start = 0
        while start < columns.count {
            var end = start + 1
            while end < columns.count, columns[end] == columns[start] { end += 1 }
            let character = Character(Unicode.Scalar(columns[start] + 63))
            // Nothing has to be said of the rest of a row.
            if end == columns.count, columns[start] == 0 { break }
            text += end - start > 3 ? "!\(end - start)\(character)" : String(repeating: character, count: end - start)
            start = end
        }
        return text
    }

    /// The colours themselves if there are few; otherwise the 256 most frequent groups of similar ones.
    private static func palette(of image: PNGImage) -> (colours: [UInt32], indices: [Int]) {
        var exact: [UInt32: Int] = [:]
        for pixel in image.pixels where exact[pixel] == nil {
            exact[pixel] = exact.count
            if exact.count > 256 { break }
        }
        if exact.count <= 256 {
            let colours = exact.sorted { $0.value < $1.value }.map(\.key)
            return (colours, image.pixels.map { exact[$0] ?? 0 })
        }
        func group(_ pixel: UInt32) -> Int {
            let (red, green, blue) = (pixel >> 20 & 15, pixel >> 12 & 15, pixel >> 4 & 15)
            return Int(red << 8 | green << 4 | blue)
        }
        var groups = [(count: UInt64, red: UInt64, green: UInt64, blue: UInt64)](repeating: (0, 0, 0, 0), count: 4096)
        for pixel in image.pixels {
            let place = group(pixel)
            groups[place].count += 1
            groups[place].red += UInt64(pixel >> 16)
            groups[place].green += UInt64(pixel >> 8 & 255)
            groups[place].blue += UInt64(pixel & 255)
        }
        let places = groups.indices.filter { groups[$0].count > 0 }.sorted { groups[$0].count > groups[$1].count }
        let colours = places.map { place in
            let one = groups[place]
            let channels = [one.red, one.green, one.blue].map { UInt32($0 / one.count) }
            return channels[0] << 16 | channels[1] << 8 | channels[2]
        }
        let chosen = Array(colours.prefix(256))
        var nearest = [Int](repeating: 0, count: 4096)
        for (place, colour) in zip(places, colours) {
            nearest[place] = chosen.indices.min { distance(chosen[$0], colour) < distance(chosen[$1], colour) } ?? 0
        }
        return (chosen, image.pixels.map { nearest[group($0)] })
    }

    private static func distance(_ a: UInt32, _ b: UInt32) -> Int {
        [16, 8, 0].reduce(0) { sum, shift in
            let difference = Int(a >> UInt32(shift) & 255) - Int(b >> UInt32(shift) & 255)
            return sum + difference * difference
        }
    }
}
