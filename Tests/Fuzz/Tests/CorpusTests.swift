// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing
import TestSupport

@Suite("What fuzzing has found, kept")
struct CorpusTests {
    /// The inputs that `dev/fuzz-corpus` unpacks from the archive of the target, which `Tests/Fuzz/run` writes.
    static func inputs(of target: FuzzTarget) throws -> [(name: String, bytes: [UInt8])] {
        let folder = FileManager.default.temporaryDirectory.appending(path: "berth-corpus-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try tool("unpack", target.rawValue, folder.path)
        return try contents(of: folder)
    }

    private static func contents(of folder: URL) throws -> [(name: String, bytes: [UInt8])] {
        try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .sorted { $0.path < $1.path }
            .map { ($0.lastPathComponent, try [UInt8](Data(contentsOf: $0))) }
    }

    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    private static func tool(_ words: String...) throws {
        let process = Process()
        process.executableURL = root.appending(path: "dev/fuzz-corpus")
        process.arguments = words
        process.standardOutput = FileHandle.nullDevice
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0, "dev/fuzz-corpus \(words)")
    }

    @Test(
        "what is packed again as it was unpacked changes no archive, and each target has one",
        arguments: FuzzTarget.allCases)
    func repack(_ target: FuzzTarget) throws {
        let archive = Self.root.appending(path: "Tests/Fuzz/corpus/\(target.rawValue).tar.gz")
        let before = try Data(contentsOf: archive)
        let folder = FileManager.default.temporaryDirectory.appending(path: "berth-corpus-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: folder) }
        try Self.tool("unpack", target.rawValue, folder.path)
        try Self.tool("pack", target.rawValue, folder.path)
        #expect(try Data(contentsOf: archive) == before)
    }

    @Test("every input that found something new once breaks no rule", arguments: FuzzTarget.allCases)
    func replay(_ target: FuzzTarget) throws {
        let inputs = try Self.inputs(of: target)
        #expect(!inputs.isEmpty, "there is no corpus")
        for input in inputs {
            let broken = input.bytes.withUnsafeBytes { target.run($0) }
            #expect(broken == nil, "\(target.rawValue)/\(input.name)")
        }
    }

    /// Without the guidance of libFuzzer, but in every `make test`, and beginning with what libFuzzer has found.
    @Test("nor does any of them with some bytes changed", arguments: FuzzTarget.allCases)
    func mutate(_ target: FuzzTarget) throws {
        let inputs = try Self.inputs(of: target)
        var random = SeededGenerator(seed: .random(in: 0 ... .max))
        print("CorpusTests.mutate: \(target.rawValue), seed \(random.seed)")
        for round in 0..<300 {
            guard var bytes = inputs.randomElement(using: &random)?.bytes, !bytes.isEmpty else { continue }
            // The end of one story on the beginning of another is a story too.
            if let other = inputs.randomElement(using: &random)?.bytes, Bool.random(using: &random) {
                bytes = bytes.prefix(.random(in: 0...bytes.count, using: &random)) + other
            }
            for _ in 0..<Int.random(in: 0...4, using: &random) where !bytes.isEmpty {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            let broken = bytes.withUnsafeBytes { target.run($0) }
            #expect(broken == nil, "\(target.rawValue), round \(round): \(bytes)")
        }
    }
}
