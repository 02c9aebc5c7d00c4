import ArgumentParser
import BerthClient
import Configuration

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

/// Which server run and stats speak to.
struct ServerOptions: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp(
            "The server: HOST:PORT or unix:PATH (default: $BERTH_SERVER, else 127.0.0.1:7411).", valueName: "address"))
    var server: String?

    func address() throws(BerthError) -> ServerAddress {
        if let server { return try ServerAddress(server) }
        if let variable = getenv("BERTH_SERVER"), variable.pointee != 0 {
            do throws(BerthError) {
                return try ServerAddress(String(cString: variable))
            } catch {
                throw BerthError(error.code, "BERTH_SERVER: \(error.message)")
            }
        }
        return .standard
    }
}

/// A duration as `Notation` reads it.
struct DurationArgument: ExpressibleByArgument, CustomStringConvertible {
    let duration: Duration
    let description: String

    init?(argument: String) {
        guard let duration = Notation.duration(argument) else { return nil }
        self.duration = duration
        description = argument
    }

    init(seconds: Int) {
        duration = .seconds(seconds)
        description = "\(seconds)s"
    }
}
