// SPDX-License-Identifier: Apache-2.0

// The conformance driver of the Swift client: replays scenarios, prints transcripts.
//
//     conformance FILE [SCENARIO…]
//
// The format is in proto/vectors/README.md.
import Berth
import Glibc

/// Each line at once.
func say(_ line: String) {
    var rest = Array((line + "\n").utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(1, $0.baseAddress, $0.count) }
        guard count > 0 else { exit(1) }
        rest = rest.dropFirst(count)
    }
}

func contents(of path: String) -> String {
    guard let file = fopen(path, "r") else { return "" }
    defer { fclose(file) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    while true {
        let count = fread(&buffer, 1, buffer.count, file)
        guard count > 0 else { return String(decoding: bytes, as: UTF8.self) }
        bytes += buffer[..<count]
    }
}

let arguments = CommandLine.arguments.dropFirst()
var steps: [String] = []
var name = ""
for line in contents(of: arguments.first ?? "").split(separator: "\n").map(String.init) {
    if line.hasPrefix("scenario ") {
        (name, steps) = (String(line.split(separator: " ")[1]), [])
    } else if line == "end" {
        guard arguments.count == 1 || arguments.dropFirst().contains(name) else { continue }
        await (try Driver()).replay(name, steps)
    } else if let first = line.first, first != "#", first != "=" {
        steps.append(line)
    }
}
