package standin;

import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.io.InputStream;
import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.UUID;
import java.util.concurrent.locks.ReentrantLock;

/**
 * Receives offers. Order: document synced to disk, row committed, then 200. A request that is sent again with the same
 * X-Idempotency-Key gets the first answer again. If the commit surely did not happen, the document is removed; if that is
 * unknown (connection lost in the commit), it stays: at worst an orphan, never a row without its document.
 */
final class Offers {
    private final Pool pool;
    private final Documents documents;
    private final Links links;
    private final String context;
    private final ReentrantLock[] locks = new ReentrantLock[64];

    private record Gate(long bidder, String day) {}

    private record Stored(long id, long attachment, String sha256, String place) {}

    Offers(Pool pool, Documents documents, Links links, String context) {
        this.pool = pool;
        this.documents = documents;
        this.links = links;
        this.context = context;
        for (int i = 0; i < locks.length; i++) {
            locks[i] = new ReentrantLock();
        }
    }

    /** Returns the JSON of the answer. */
    String receive(HttpExchange exchange, long tender) throws IOException, SQLException, Problem {
        UUID key = key(exchange.getRequestHeaders().getFirst("X-Idempotency-Key"));
        ReentrantLock lock = locks[Math.floorMod(key.hashCode(), locks.length)];
        lock.lock();
        try {
            return answer(receiveLocked(exchange, tender, key));
        } finally {
            lock.unlock();
        }
    }

    private static UUID key(String header) throws Problem {
        try {
            return header == null ? UUID.randomUUID() : UUID.fromString(header.trim());
        } catch (IllegalArgumentException e) {
            throw new Problem(400, "X-Idempotency-Key bukan UUID");
        }
    }

    private Stored receiveLocked(HttpExchange exchange, long tender, UUID key) throws IOException, SQLException, Problem {
        Stored known = pool.with(connection -> find(connection, key));
        // A gate before the body: nobody uploads 800 MB to learn that the stage is over or the database read-only.
        Gate gate = known == null ? gate(tender, key) : null;
        try (Documents.OutputSink sink = documents.sink()) {
            String boundary = Multipart.boundary(exchange.getRequestHeaders().getFirst("Content-Type"));
            InputStream body = exchange.getRequestBody();
            if (boundary == null) {
                refuseTruncated(exchange, body.transferTo(sink));
            } else {
                Multipart.copyFile(body, boundary, sink);
            }
            if (known != null) {
                if (!known.sha256.equals(sink.sha256())) {
                    throw new Problem(409, "X-Idempotency-Key sudah dipakai untuk dokumen lain");
                }
                // A failover may have kept the row and not the document; whoever repeats the offer has it still.
                if (!documents.has(known.place)) {
                    documents.keep(sink.finish(), known.place);
                }
                return known;
            }
            return store(gate, key, sink.finish());
        } catch (Documents.TooLarge e) {
            throw new Problem(413, "Dokumen terlalu besar");
        }
    }

    /** The JDK's server ends a body quietly where the sender vanished. */
    private static void refuseTruncated(HttpExchange exchange, long received) throws Problem {
        String announced = exchange.getRequestHeaders().getFirst("Content-Length");
        if (announced != null && Long.parseLong(announced.trim()) != received) {
            throw new Problem(400, "Permintaan terpotong");
        }
    }

    private Gate gate(long tender, UUID key) throws SQLException, Problem {
        Tenders.Tender found = pool.with(connection -> Tenders.one(connection, tender));
        if (found == null) {
            throw Problem.notFound();
        }
        if (!found.receivesOffers()) {
            throw new Problem(403, "Tahap pemasukan dokumen penawaran belum dimulai atau sudah berakhir");
        }
        Gate gate = pool.with(connection -> bidder(connection, tender, key));
        if (gate == null) {
            throw new Problem(403, "Bukan peserta tender ini");
        }
        return gate;
    }

    /** Without a login, the bidder is one of the tender's, picked by the key. */
    private static Gate bidder(Connection connection, long tender, UUID key) throws SQLException {
        String sql = "SELECT psr_id, to_char(now()::timestamp, 'YYYY/MM/DD'), pg_is_in_recovery() FROM peserta"
                + " WHERE lls_id = ? ORDER BY psr_id OFFSET ? % greatest((SELECT count(*) FROM peserta WHERE lls_id = ?), 1)"
                + " LIMIT 1";
        try (PreparedStatement query = connection.prepareStatement(sql)) {
            query.setLong(1, tender);
            query.setInt(2, key.hashCode() & 0xffff);
            query.setLong(3, tender);
            try (ResultSet rows = query.executeQuery()) {
                if (!rows.next()) {
                    return null;
                }
                if (rows.getBoolean(3)) {
                    throw new SQLException("cannot write: the database is in recovery (read-only)", "25006");
                }
                return new Gate(rows.getLong(1), rows.getString(2));
            }
        }
    }

    private Stored store(Gate gate, UUID key, Documents.Upload upload) throws IOException, SQLException {
        String place = Documents.place(gate.day, key);
        boolean existed = documents.keep(upload, place);
        boolean[] committing = {false};
        try {
            return pool.with(connection -> {
                connection.setAutoCommit(false);
                Stored stored = insert(connection, gate, key, upload, place);
                committing[0] = true;
                connection.commit();
                return stored;
            });
        } catch (SQLException e) {
            if (!committing[0] && !existed) {
                documents.remove(place);
            }
            throw e;
        }
    }

    private static Stored insert(Connection connection, Gate gate, UUID key, Documents.Upload upload, String place)
            throws SQLException {
        String sql = "WITH a AS (INSERT INTO standin_attachment (att_name, att_path, att_size, att_sha256)"
                + " VALUES (?, ?, ?, ?) RETURNING att_id)"
                + " INSERT INTO dok_penawaran (psr_id, dok_jenis, dok_tgljam, dok_id_attachment, dok_kunci)"
                + " SELECT ?, 1, now()::timestamp, att_id, ? FROM a RETURNING dok_id, dok_id_attachment";
        try (PreparedStatement query = connection.prepareStatement(sql)) {
            query.setString(1, key + ".rhs");
            query.setString(2, place);
            query.setLong(3, upload.size);
            query.setString(4, upload.sha256);
            query.setLong(5, gate.bidder);
            query.setObject(6, key);
            try (ResultSet rows = query.executeQuery()) {
                rows.next();
                return new Stored(rows.getLong(1), rows.getLong(2), upload.sha256, place);
            }
        }
    }

    private static Stored find(Connection connection, UUID key) throws SQLException {
        String sql = "SELECT dok_id, att_id, att_sha256, att_path FROM dok_penawaran JOIN standin_attachment"
                + " ON att_id = dok_id_attachment WHERE dok_kunci = ?";
        try (PreparedStatement query = connection.prepareStatement(sql)) {
            query.setObject(1, key);
            try (ResultSet rows = query.executeQuery()) {
                return rows.next()
                        ? new Stored(rows.getLong(1), rows.getLong(2), rows.getString(3), rows.getString(4)) : null;
            }
        }
    }

    private String answer(Stored stored) {
        return "{\"dok_id\":" + stored.id + ",\"sha256\":\"" + stored.sha256 + "\",\"link\":\"" + context + "/dl/"
                + links.make(stored.attachment) + "\"}";
    }
}
