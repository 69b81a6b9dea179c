package standin;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Properties;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/**
 * A small pool. Every connection is tested before it is handed out, so a restarted or promoted database costs at most the
 * requests that were under way.
 */
final class Pool {
    private static final int WAIT_SECONDS = 5;
    private final Deque<Connection> idle = new ArrayDeque<>();
    private final Semaphore permits;
    private final String url;
    private final Properties login = new Properties();

    interface Work<T> {
        T on(Connection connection) throws SQLException;
    }

    Pool(Conf conf) throws Refusal {
        permits = new Semaphore((int) conf.number("db.pool.maxSize", 10), true);
        url = conf.text("db.url");
        login.setProperty("user", conf.text("db.user"));
        login.setProperty("password", conf.secret("db.pass"));
        login.setProperty("connectTimeout", "5");
        login.setProperty("loginTimeout", "5");
        login.setProperty("socketTimeout", "60");
        login.setProperty("tcpKeepAlive", "true");
        login.setProperty("ApplicationName", "spse");
    }

    /** Runs the work on a connection in auto-commit mode and gives it back, or throws it away if it broke. */
    <T> T with(Work<T> work) throws SQLException {
        Connection connection = take();
        boolean whole = false;
        try {
            T result = work.on(connection);
            whole = true;
            return result;
        } finally {
            give(connection, whole);
        }
    }

    private Connection take() throws SQLException {
        try {
            if (!permits.tryAcquire(WAIT_SECONDS, TimeUnit.SECONDS)) {
                throw new SQLException("No free database connection within " + WAIT_SECONDS + " s", "08001");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new SQLException("Interrupted", e);
        }
        boolean taken = false;
        try {
            Connection connection = tested();
            taken = true;
            return connection;
        } finally {
            if (!taken) {
                permits.release();
            }
        }
    }

    private Connection tested() throws SQLException {
        while (true) {
            Connection connection;
            synchronized (idle) {
                connection = idle.pollFirst();
            }
            if (connection == null) {
                return DriverManager.getConnection(url, login);
            }
            if (connection.isValid(2)) {
                return connection;
            }
            discard(connection);
        }
    }

    private void give(Connection connection, boolean whole) {
        try {
            if (!whole && !connection.getAutoCommit()) {
                connection.rollback();
            }
            connection.setAutoCommit(true);
            synchronized (idle) {
                idle.addFirst(connection);
            }
        } catch (SQLException e) {
            discard(connection);
        } finally {
            permits.release();
        }
    }

    void close() {
        synchronized (idle) {
            idle.forEach(Pool::discard);
            idle.clear();
        }
    }

    private static void discard(Connection connection) {
        try {
            connection.close();
        } catch (SQLException e) {
            Log.warn("A broken database connection could not be closed: " + e.getMessage());
        }
    }
}
