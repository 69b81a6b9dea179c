package standin;

import com.sun.net.httpserver.HttpExchange;
import java.io.IOException;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;

/** /@status, /@status.json, /@checksum and /metrics: for whoever sends application.statusKey as Authorization. */
final class Status {
    private final String key;
    private final String name;
    private final Pool pool;
    private final Jobs jobs;
    private final Integrity integrity;
    private final long began = System.nanoTime();

    private record Database(boolean connected, boolean readOnly, String version, String zone) {}

    Status(Conf conf, Pool pool, Jobs jobs, Integrity integrity) throws Refusal {
        key = conf.secret("application.statusKey");
        name = conf.text("application.name", "SPSE");
        this.pool = pool;
        this.jobs = jobs;
        this.integrity = integrity;
    }

    void answer(HttpExchange exchange, String path) throws IOException, Problem {
        String given = exchange.getRequestHeaders().getFirst("Authorization");
        if (given == null || !Hashes.same(given, key)) {
            Reply.text(exchange, path.equals("/metrics") ? 403 : 401, "Not authorized\n");
            return;
        }
        switch (path) {
            case "/@status" -> Reply.text(exchange, 200, text());
            case "/@status.json" -> Reply.json(exchange, 200, json());
            case "/@checksum" -> Reply.text(exchange, 200, integrity.checksum + "\n");
            case "/metrics" -> Reply.text(exchange, 200, metrics());
            default -> throw Problem.notFound();
        }
    }

    private String text() {
        Database database = database();
        return "Application: " + name + " (" + Pages.VERSION + ")\nUptime: " + uptime() + " s\nDatabase: "
                + (database.connected ? "connected" : "not connected") + (database.readOnly ? ", read-only" : "") + "\n";
    }

    private String json() {
        Database database = database();
        return "{\"application\":\"" + name + "\",\"version\":\"" + Pages.VERSION + "\",\"started\":true,\"uptime_s\":" + uptime()
                + ",\"database\":{\"connected\":" + database.connected + ",\"read_only\":" + database.readOnly
                + ",\"version\":\"" + database.version + "\",\"time_zone\":\"" + database.zone + "\"},\"integrity\":{\"files\":"
                + integrity.files + ",\"checksum\":\"" + integrity.checksum + "\"},\"jobs\":{\"mail\":{\"attempted\":"
                + jobs.mailAttempts + ",\"succeeded\":" + jobs.mailSent + "},\"central\":{\"attempted\":" + jobs.centralAttempts
                + ",\"succeeded\":" + jobs.centralAnswered + "}}}";
    }

    private String metrics() {
        return "spse_mail_attempts_total " + jobs.mailAttempts + "\nspse_central_attempts_total " + jobs.centralAttempts
                + "\nspse_uptime_seconds " + uptime() + "\n";
    }

    private long uptime() {
        return (System.nanoTime() - began) / 1_000_000_000L;
    }

    private Database database() {
        try {
            return pool.with(Status::look);
        } catch (SQLException e) {
            return new Database(false, false, "", "");
        }
    }

    private static Database look(Connection connection) throws SQLException {
        String sql = "SELECT pg_is_in_recovery(), current_setting('server_version'), current_setting('TimeZone')";
        try (Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery(sql)) {
            rows.next();
            return new Database(true, rows.getBoolean(1), rows.getString(2), rows.getString(3));
        }
    }
}
