package standin;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;

/** One row of standin_attachment: what the database knows about a document. */
record Attachment(String name, String path, long size, String sha256) {
    static Attachment find(Connection connection, long id) throws SQLException {
        String sql = "SELECT att_name, att_path, att_size, att_sha256 FROM standin_attachment WHERE att_id = ?";
        try (PreparedStatement query = connection.prepareStatement(sql)) {
            query.setLong(1, id);
            try (ResultSet rows = query.executeQuery()) {
                return rows.next()
                        ? new Attachment(rows.getString(1), rows.getString(2), rows.getLong(3), rows.getString(4))
                        : null;
            }
        }
    }
}
