// SPDX-License-Identifier: Apache-2.0

internal import BerthSchema
internal import NIOCore
internal import SimulationModel

/// Makes up the requests of clients. Each world has its own mix.
struct ServerAsker {
    private var keys: UInt32 = 0
    private let keyBase: UInt32
    /// Shares of all requests.
    private let resumable: Double
    private let limited: Double
    private let background: Double
    private let large: Double
    private let open: Double
    private let terminals: Double
    private let manners: [Watch.Manner]
    private let timeouts: [UInt32]

    init(_ random: inout Randomness) {
        keyBase = UInt32(truncatingIfNeeded: random.next())
        resumable = [0, 0.15, 0.15, 0.6][random.below(4)]
        limited = [0, 0.1, 0.4][random.below(3)]
        background = [0, 0.1, 0.3, 0.9][random.below(4)]
        large = [0, 0.1, 0.3, 0.9][random.below(4)]
        open = [0, 0.2, 0.6][random.below(3)]
        terminals = [0, 0.1, 0.5][random.below(3)]
        manners =
            [
                [.prompt], [.prompt, .prompt, .prompt, .late, .sleepy], [.prompt, .late], [.prompt, .sleepy, .sleepy],
            ][random.below(4)]
        timeouts = [[300, 3000, 20_000, 20_000], [20_000, 200_000], [100, 300, 1000]][random.below(3)]
    }

    static func window(_ value: UInt32) -> UInt64 { [0, 64 << 10, 64 << 10, 256 << 10, 1 << 20][Int(value) % 5] }

    mutating func execute(
        _ client: SimulatedClient, _ lease: ServerBook.Lease?, _ value: UInt32, _ now: NIODeadline
    ) {
        guard client.connection != nil else { return }
        keys += 1
        var random = Randomness(seed: UInt64(value) << 32 | UInt64(keys))
        let leaves = lease != nil && random.chance(background)
        // A program that leaves something, if it is to.
        while leaves, !Script(key: keyBase &+ keys).leaves { keys += 1 }
        let key = keyBase &+ keys
        var request = ExecuteRequest(
            lease: lease?.token ?? "", argv: ["program", SystemString("\(key)")],
            timeoutMilliseconds: timeouts[random.below(timeouts.count)],
            graceMilliseconds: [1, 500, 2000][random.below(3)],
            windowBytes: ServerAsker.window(UInt32(random.below(5))))
        if random.chance(resumable) {
            request.resumableMilliseconds = 1000 + UInt32(random.below(60_000))
            if random.chance(0.5) { request.unwatched = .wait }
        }
        if random.chance(limited) {
            request.maxOutputBytes = UInt64(1 + random.below(50_000))
            if random.chance(0.3) { request.outputPolicy = .kill }
        }
        request.keepsBackground = leaves
        if random.chance(terminals), !leaves { request.terminal = Terminal(rows: 24, columns: 80) }
        if request.terminal != nil || random.chance(open) {
            request.keepsStdinOpen = true
            request.stdin = Script.input(key, at: 0, count: random.below(3000))
        } else if random.chance(large), lease == nil {
            request.stdin = [UInt8](repeating: 7, count: random.below(2 << 20))
        }
        let manner = request.windowBytes == 0 ? .prompt : manners[random.below(manners.count)]
        let asked = ServerBook.Asked(
            timeout: .milliseconds(Int64(request.timeoutMilliseconds)),
            grace: .milliseconds(Int64(request.graceMilliseconds)), maxOutput: request.maxOutputBytes,
            killsAtMaxOutput: request.outputPolicy == .kill, keepsBackground: request.keepsBackground,
            resumable: request.resumableMilliseconds, input: request.stdin.count,
            isOpen: request.keepsStdinOpen, size: request.terminal.map { ($0.rows, $0.columns) }, at: now)
        client.execute(ServerBook.Execution(key, lease, asked), request, manner)
    }
}
