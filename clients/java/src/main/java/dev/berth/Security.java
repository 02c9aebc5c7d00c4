// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import dev.berth.BerthException.Code;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertPathValidatorException;
import java.security.cert.Certificate;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateNotYetValidException;
import java.util.List;
import java.util.Map;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;

/**
 * TLS and tokens: what the options say of them, and the environment where they do not.
 *
 * @param context null without TLS
 * @param serverName whom the server's certificate must name
 * @param authorization the metadata of every request; null for none
 * @param isNamed a certificate of ours was named
 */
record Security(SSLContext context, String serverName, boolean verifiesHost, String authorization, boolean isNamed) {
    /** Without TLS and token. */
    static final Security NONE = new Security(null, null, true, null, false);

    /** @throws BerthException INVALID_ARGUMENT for what cannot be used, or not together */
    static Security of(ClientOptions options, Map<String, String> environment) {
        ServerAddress.Tcp tcp = options.address instanceof ServerAddress.Tcp address ? address : null;
        boolean hasFiles = options.authorities != null || options.certificate != null || options.key != null;
        boolean isSecure = options.tls != null || hasFiles || (tcp != null && tcp.tls());
        String token = token(options.token, environment);
        if (token != null && !isSecure && tcp != null && !tcp.isLocal()) {
            throw wrong("a token is not sent to " + tcp + " without TLS, since others could read it: connect to tls://" + tcp, null);
        }
        String authorization = token == null ? null : "Bearer " + token;
        if (!isSecure) {
            return new Security(null, null, true, authorization, false);
        }
        if (tcp == null) {
            throw wrong("TLS through a unix socket is more than this client can: leave it out, nobody listens there", null);
        }
        String name = options.serverName == null ? tcp.host() : options.serverName;
        if (options.tls != null) {
            if (hasFiles) {
                throw wrong("an SSLContext holds authorities, certificate and key: say that, or files", null);
            }
            return new Security(options.tls, name, options.verifyHost, authorization, true);
        }
        Path authorities = or(options.authorities, environment.get("BERTH_TLS_CA"));
        Path certificate = options.certificate;
        Path key = options.key;
        if (certificate == null && key == null) {
            certificate = or(null, environment.get("BERTH_TLS_CERT"));
            key = or(null, environment.get("BERTH_TLS_KEY"));
        }
        if (certificate == null && key != null) {
            throw wrong("a key without its certificate: name that too, with certificate() or BERTH_TLS_CERT", null);
        }
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(ours(certificate, key), trusted(authorities), null);
            return new Security(context, name, options.verifyHost, authorization, certificate != null);
        } catch (GeneralSecurityException error) {
            throw wrong("there is no TLS: " + error.getMessage(), error);
        }
    }

    private static Path or(Path given, String named) {
        return given != null || named == null || named.isEmpty() ? given : Path.of(named);
    }

    /** Null is the system's authorities. */
    private static TrustManager[] trusted(Path authorities) throws GeneralSecurityException {
        if (authorities == null) {
            return null;
        }
        try {
            KeyStore store = empty();
            List<Certificate> certificates = Pem.certificates(authorities);
            for (int i = 0; i < certificates.size(); i++) {
                store.setCertificateEntry("authority-" + i, certificates.get(i));
            }
            TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            factory.init(store);
            return factory.getTrustManagers();
        } catch (IOException | GeneralSecurityException error) {
            throw wrong("the authorities in " + authorities + " cannot be used: " + words(error), error);
        }
    }

    private static KeyManager[] ours(Path certificate, Path key) throws GeneralSecurityException {
        if (certificate == null) {
            return null;
        }
        Path secret = key == null ? certificate : key;
        try {
            KeyStore store = empty();
            List<Certificate> chain = Pem.certificates(certificate);
            store.setKeyEntry(
                    "client", Pem.key(secret, chain.get(0).getPublicKey()), new char[0], chain.toArray(new Certificate[0]));
            KeyManagerFactory factory = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            factory.init(store, new char[0]);
            return factory.getKeyManagers();
        } catch (IOException | GeneralSecurityException error) {
            throw wrong(
                    "the client's certificate and key in " + certificate + " and " + secret + " cannot be used: " + words(error),
                    error);
        }
    }

    private static KeyStore empty() throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        return store;
    }

    private static String words(Exception error) {
        return error instanceof java.nio.file.NoSuchFileException ? "no such file: " + error.getMessage() : error.getMessage();
    }

    private static String token(String given, Map<String, String> environment) {
        String token = given;
        String origin = "the token";
        if (token == null && !environment.getOrDefault("BERTH_TOKEN", "").isEmpty()) {
            token = environment.get("BERTH_TOKEN");
            origin = "BERTH_TOKEN";
        }
        String file = environment.getOrDefault("BERTH_TOKEN_FILE", "");
        if (token == null && !file.isEmpty()) {
            origin = "the content of BERTH_TOKEN_FILE, " + file + ",";
            try {
                token = Files.readString(Path.of(file)).strip();
            } catch (IOException error) {
                throw wrong(origin + " cannot be read: " + words(error), error);
            }
            if (token.isEmpty()) {
                throw wrong(origin + " is empty", null);
            }
        }
        if (token == null || token.isEmpty()) {
            return null;
        }
        if (!token.chars().allMatch(character -> character > ' ' && character <= '~')) {
            throw wrong(origin + " is no token: it has characters other than ASCII's visible ones", null);
        }
        return token;
    }

    private static BerthException wrong(String what, Exception cause) {
        return new BerthException(Code.INVALID_ARGUMENT, what, cause);
    }

    /**
     * What is wrong with the TLS of a server, and what would be right; null where that is not what is wrong. None of it gets
     * better by being tried again.
     */
    String distrust(IOException error) {
        if (context == null || !(error instanceof SSLException)) {
            return null;
        }
        Throwable untrusted = null;
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            if (cause instanceof CertificateExpiredException || cause instanceof CertificateNotYetValidException) {
                String way = cause instanceof CertificateExpiredException ? "expired" : "not valid yet";
                return "the time of its certificate is over or has not begun (" + way + ", " + cause.getMessage()
                        + "): exchange it, or set this machine's clock";
            }
            if (cause instanceof CertPathBuilderException || cause instanceof CertPathValidatorException) {
                untrusted = cause;
            }
        }
        if (untrusted != null) {
            return "its certificate is not trusted (" + untrusted.getMessage()
                    + "): name the file of its authority in BERTH_TLS_CA or with authorities()";
        }
        String words = String.valueOf(error.getMessage());
        if (words.contains("No subject alternative") || words.contains("No name matching")) {
            return "its certificate is not for \"" + serverName + "\" (" + words
                    + "): connect to a name that it has, or say serverName()";
        }
        if (words.contains("Unsupported or unrecognized SSL message")) {
            return "it does not speak TLS: leave tls:// out, or give the server a certificate";
        }
        if (words.contains("protocol_version") || words.contains("server selected protocol version")) {
            return "it speaks no TLS that is safe: 1.2 and newer are";
        }
        if (words.contains("fatal alert") && words.matches(".*(certificate|handshake_failure|unknown_ca).*")) {
            return isNamed
                    ? "it does not accept this client's certificate (" + words + ")"
                    : "it wants a certificate of this client (" + words
                            + "): name one in BERTH_TLS_CERT and BERTH_TLS_KEY, or with certificate() and key()";
        }
        return null;
    }
}
