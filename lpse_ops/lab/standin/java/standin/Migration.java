package standin;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** {@code spse4 migration}: applies webapp/db/NNN-name.sql in order, each once, each in one transaction. */
final class Migration {
    /** Held while migrating, so that two calls do not meet; the number is arbitrary. */
    private static final long LOCK = 7_370_736_534L;

    private Migration() {}

    static void run(Conf conf) throws Refusal {
        String url = conf.text("db.url");
        try (Connection connection = DriverManager.getConnection(url, conf.text("db.user"), conf.secret("db.pass"));
                Stream<Path> found = Files.list(conf.folder.resolve("webapp/db"))) {
            refuseReadOnly(connection);
            prepare(connection);
            List<Path> files = found.sorted().collect(Collectors.toList());
            int applied = 0;
            for (Path file : files) {
                applied += apply(connection, file) ? 1 : 0;
            }
            Log.info("Migration done: " + applied + " applied, " + (files.size() - applied) + " already there");
        } catch (SQLException e) {
            throw new Refusal("Migration failed: " + e.getMessage());
        } catch (IOException e) {
            throw new Refusal("Migration failed: " + e);
        }
    }

    private static void refuseReadOnly(Connection connection) throws SQLException, Refusal {
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("SELECT pg_is_in_recovery()")) {
            rows.next();
            if (rows.getBoolean(1)) {
                throw new Refusal("Migration refused: the database is a read-only standby");
            }
        }
    }

    private static void prepare(Connection connection) throws SQLException {
        try (Statement statement = connection.createStatement()) {
            statement.execute("SELECT pg_advisory_lock(" + LOCK + ")");
            statement.execute("SET client_min_messages = warning");
            statement.execute("CREATE SCHEMA IF NOT EXISTS ekontrak");
            statement.execute("CREATE TABLE IF NOT EXISTS schema_version (version integer PRIMARY KEY, name text NOT NULL,"
                    + " md5 text NOT NULL, applied timestamp NOT NULL DEFAULT now()::timestamp)");
        }
    }

    private static boolean apply(Connection connection, Path file) throws SQLException, IOException, Refusal {
        String name = file.getFileName().toString();
        int version = Integer.parseInt(name.substring(0, name.indexOf('-')));
        String script = Files.readString(file);
        String md5 = Hashes.hex("MD5", script.getBytes(StandardCharsets.UTF_8));
        String known = appliedMd5(connection, version);
        if (known != null) {
            if (!known.equals(md5)) {
                throw new Refusal("Migration " + name + " is not the one that was applied to this database");
            }
            return false;
        }
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement();
                PreparedStatement note = connection.prepareStatement(
                        "INSERT INTO schema_version (version, name, md5) VALUES (?, ?, ?)")) {
            statement.execute(script);
            note.setInt(1, version);
            note.setString(2, name);
            note.setString(3, md5);
            note.executeUpdate();
            connection.commit();
        } catch (SQLException e) {
            connection.rollback();
            throw e;
        }
        connection.setAutoCommit(true);
        Log.info("Applied " + name);
        return true;
    }

    private static String appliedMd5(Connection connection, int version) throws SQLException {
        try (PreparedStatement query = connection.prepareStatement("SELECT md5 FROM schema_version WHERE version = ?")) {
            query.setInt(1, version);
            try (ResultSet rows = query.executeQuery()) {
                return rows.next() ? rows.getString(1) : null;
            }
        }
    }
}
