import Glibc
import RingBridge
import SharedRing

extension Arguments {
    /// Takes what says how to reach the broker.
    mutating func broker() throws(Failure) -> BrokerOptions {
        var options = BrokerOptions()
        var servers: [String] = []
        while let text = try value("--server") { servers += text.split(separator: ",").map(String.init) }
        if !servers.isEmpty { options.servers = servers }
        options.user = try value("--user")
        options.passwordFile = try value("--password-file")
        options.tokenFile = try value("--token-file")
        options.credentialsFile = try value("--creds")
        options.nkey = try value("--nkey")
        options.nkeySeedFile = try value("--nkey-seed-file")
        options.usesTLS = flag("--tls")
        options.authorityFile = try value("--tls-ca")
        options.certificateFile = try value("--tls-cert")
        options.keyFile = try value("--tls-key")
        options.domain = try value("--js-domain")
        return options
    }

    mutating func ringOptions() throws(Failure) -> RingOptions {
        var options = RingOptions()
        let environment = getenv("SHAREDRING_DIR").map { String(cString: $0) }
        if let directory = try value("--dir") ?? environment { options.directory = directory }
        return options
    }
}
