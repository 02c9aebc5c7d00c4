import Foundation
import TestSupport
import Testing

@Suite("What fuzzing has found, kept")
struct CorpusTests {
    /// `Tests/Fuzz/run` reads and writes it.
    static func inputs(of target: FuzzTarget, sourceFile: String = #filePath) throws -> [(name: String, bytes: [UInt8])]
    {
        let folder = URL(fileURLWithPath: sourceFile).deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "corpus/\(target.rawValue)")
        return try FileManager.default.contentsOfDirectory(at: folder, includingPropertiesForKeys: nil)
            .sorted { $0.path < $1.path }
            .map { ($0.lastPathComponent, try [UInt8](Data(contentsOf: $0))) }
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

    /// Without libFuzzer's guidance, but in every `make test`, and from where that has led.
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
