// SPDX-License-Identifier: Apache-2.0

package dev.berth;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Certificates and keys of files in PEM format, which the JDK has no reader for. */
final class Pem {
    private static final Pattern BLOCK =
            Pattern.compile("-----BEGIN ([A-Z0-9 ]+)-----([A-Za-z0-9+/=\\s]+)-----END \\1-----");

    private Pem() {}

    static List<Certificate> certificates(Path file) throws IOException, GeneralSecurityException {
        List<Certificate> found = new ArrayList<>();
        CertificateFactory factory = CertificateFactory.getInstance("X.509");
        Matcher block = BLOCK.matcher(text(file));
        while (block.find()) {
            if (block.group(1).equals("CERTIFICATE")) {
                found.add(factory.generateCertificate(new ByteArrayInputStream(bytes(block))));
            }
        }
        if (found.isEmpty()) {
            throw new GeneralSecurityException(file + " holds no certificate in PEM format");
        }
        return found;
    }

    /** @param owner of the key: it must fit this */
    static PrivateKey key(Path file, PublicKey owner) throws IOException, GeneralSecurityException {
        String text = text(file);
        Matcher block = BLOCK.matcher(text);
        while (block.find()) {
            if (block.group(1).equals("PRIVATE KEY")) {
                PrivateKey key = KeyFactory.getInstance(owner.getAlgorithm())
                        .generatePrivate(new PKCS8EncodedKeySpec(bytes(block)));
                check(key, owner);
                return key;
            }
        }
        String right = text.contains("PRIVATE KEY-----")
                ? ", but one of another kind: `openssl pkcs8 -topk8 -nodes -in " + file + "` converts it"
                : "";
        throw new GeneralSecurityException(file + " holds no \"BEGIN PRIVATE KEY\"" + right);
    }

    private static void check(PrivateKey key, PublicKey owner) throws GeneralSecurityException {
        String algorithm = owner.getAlgorithm();
        Signature signature = Signature.getInstance(algorithm.startsWith("Ed")
                ? "EdDSA"
                : algorithm.equals("EC") ? "SHA256withECDSA" : "SHA256with" + algorithm);
        signature.initSign(key);
        signature.update(new byte[1]);
        byte[] signed = signature.sign();
        signature.initVerify(owner);
        signature.update(new byte[1]);
        if (!signature.verify(signed)) {
            throw new GeneralSecurityException("they do not belong together");
        }
    }

    private static String text(Path file) throws IOException {
        return new String(Files.readAllBytes(file), StandardCharsets.ISO_8859_1);
    }

    private static byte[] bytes(Matcher block) {
        return Base64.getMimeDecoder().decode(block.group(2));
    }
}
