package standin;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;

/** Tenders and their calendar. The stage of a tender is worked out by the database with now()::timestamp, as in SPSE. */
final class Tenders {
    private static final String STAGE =
            "(SELECT string_agg(a.akt_jenis, ', ' ORDER BY a.akt_urut) FROM jadwal j JOIN aktivitas a USING (akt_id)"
                    + " WHERE j.lls_id = l.lls_id AND now()::timestamp >= j.dtj_tglawal"
                    + " AND now()::timestamp < j.dtj_tglakhir)";

    private Tenders() {}

    record Tender(long id, String name, String budget, String committee, int status, String stage) {
        boolean receivesOffers() {
            return status == 1 && stage.contains("PEMASUKAN_PENAWARAN");
        }
    }

    record Stage(String activity, String name, String begins, String ends, boolean running) {}

    static List<Tender> list(Connection connection) throws SQLException {
        return read(connection, "WHERE l.lls_status > 0 ORDER BY l.lls_id DESC LIMIT 100", null);
    }

    static Tender one(Connection connection, long id) throws SQLException {
        List<Tender> found = read(connection, "WHERE l.lls_id = ?", id);
        return found.isEmpty() ? null : found.get(0);
    }

    private static List<Tender> read(Connection connection, String where, Long id) throws SQLException {
        String sql = "SELECT l.lls_id, p.pkt_nama, to_char(p.pkt_pagu, 'FM999G999G999G999G999'), k.pnt_nama, l.lls_status, "
                + STAGE + " FROM lelang_seleksi l JOIN paket p USING (pkt_id) JOIN panitia k USING (pnt_id) " + where;
        List<Tender> tenders = new ArrayList<>();
        try (PreparedStatement query = connection.prepareStatement(sql)) {
            if (id != null) {
                query.setLong(1, id);
            }
            try (ResultSet rows = query.executeQuery()) {
                while (rows.next()) {
                    String stage = rows.getString(6);
                    tenders.add(new Tender(rows.getLong(1), rows.getString(2), rows.getString(3), rows.getString(4),
                            rows.getInt(5), stage == null ? "" : stage));
                }
            }
        }
        return tenders;
    }

    static List<Stage> calendar(Connection connection, long id, String format) throws SQLException {
        String sql = "SELECT a.akt_jenis, t.thp_nama, to_char(j.dtj_tglawal, ?), to_char(j.dtj_tglakhir, ?),"
                + " now()::timestamp >= j.dtj_tglawal AND now()::timestamp < j.dtj_tglakhir FROM jadwal j"
                + " JOIN aktivitas a USING (akt_id) JOIN tahap t USING (thp_id) WHERE j.lls_id = ? ORDER BY a.akt_urut";
        List<Stage> stages = new ArrayList<>();
        try (PreparedStatement query = connection.prepareStatement(sql)) {
            query.setString(1, format);
            query.setString(2, format);
            query.setLong(3, id);
            try (ResultSet rows = query.executeQuery()) {
                while (rows.next()) {
                    stages.add(new Stage(rows.getString(1), rows.getString(2), rows.getString(3), rows.getString(4),
                            rows.getBoolean(5)));
                }
            }
        }
        return stages;
    }
}
