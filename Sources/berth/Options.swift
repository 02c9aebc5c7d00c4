import ArgumentParser
import BerthClient

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

/// "250ms", "5s", "1.5m", "2h"; a number alone is seconds.
struct DurationArgument: ExpressibleByArgument, CustomStringConvertible {
    let duration: Duration
    let description: String

    init?(argument: String) {
        let units: [(suffix: String, seconds: Double)] = [("ms", 0.001), ("s", 1), ("m", 60), ("h", 3600), ("", 1)]
        for (suffix, seconds) in units where argument.hasSuffix(suffix) {
            guard let number = Double(argument.dropLast(suffix.count)), number >= 0, number * seconds <= 1e9 else {
                continue
            }
            duration = .seconds(number * seconds)
            description = argument
            return
        }
        return nil
    }

    init(seconds: Int) {
        duration = .seconds(seconds)
        description = "\(seconds)s"
    }
}

/// "128m", "1.5g", "65536": bytes.
struct SizeArgument: ExpressibleByArgument, CustomStringConvertible {
    let bytes: Int64
    let description: String

    init?(argument: String) {
        let text = argument.lowercased()
        let units: [(suffix: String, factor: Double)] = [
            ("kib", 0x1p10), ("mib", 0x1p20), ("gib", 0x1p30), ("k", 0x1p10), ("m", 0x1p20), ("g", 0x1p30), ("b", 1),
            ("", 1),
        ]
        for (suffix, factor) in units where text.hasSuffix(suffix) {
            guard let number = Double(text.dropLast(suffix.count)), number > 0, number * factor < 0x1p62 else {
                continue
            }
            bytes = Int64(number * factor)
            description = argument
            return
        }
        return nil
    }

    init(mebibytes: Int64) {
        bytes = mebibytes << 20
        description = "\(mebibytes)m"
    }
}
