// SPDX-License-Identifier: Apache-2.0

// Runs ten programs at once, on one connection.
import Berth

try await BerthClient.withClient { client in
    let lines = try await withThrowingTaskGroup(of: (Int, String).self) { group in
        for number in 0..<10 {
            group.addTask {
                let line = "sleep 0.1; echo \(number) squared is $((\(number) * \(number)))"
                return (number, try await client.run(Command(shell: line)).text)
            }
        }
        var lines: [Int: String] = [:]
        for try await (number, line) in group { lines[number] = line }
        return lines
    }
    for (_, line) in lines.sorted(by: { $0.key < $1.key }) { print(line, terminator: "") }
}
