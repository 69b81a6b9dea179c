package standin;

import java.nio.ByteBuffer;
import java.util.Arrays;

/** Public links of documents: id and keyed digest in hex. A new application.secret makes every old link worthless. */
final class Links {
    private static final int DIGEST_BYTES = 16;
    private final String secret;

    Links(String secret) {
        this.secret = secret;
    }

    String make(long id) {
        return Hashes.hex(ByteBuffer.allocate(Long.BYTES).putLong(id).array()) + mark(id);
    }

    /** Returns the id of the attachment; the page is "not found" for a link that was not made with this secret. */
    long open(String hex) throws Problem {
        if (hex.length() != 2 * (Long.BYTES + DIGEST_BYTES)) {
            throw Problem.notFound();
        }
        long id = Long.parseUnsignedLong(hex.substring(0, 2 * Long.BYTES), 16);
        if (!Hashes.same(mark(id), hex.substring(2 * Long.BYTES))) {
            throw Problem.notFound();
        }
        return id;
    }

    private String mark(long id) {
        return Hashes.hex(Arrays.copyOf(Hashes.keyed(secret, "dl:" + id), DIGEST_BYTES));
    }
}
