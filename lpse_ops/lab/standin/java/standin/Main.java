package standin;

import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;

/**
 * Starts the application in the order in which SPSE's framework fails: server.pid, configuration, integrity, port, database,
 * version of PostgreSQL. server.pid stays behind however the process ends; only {@code spse4 stop} removes it.
 */
public final class Main {
    private Main() {}

    public static void main(String[] arguments) {
        long began = System.nanoTime();
        try {
            Path folder = Path.of(System.getProperty("spse.home", "")).toAbsolutePath();
            if (arguments.length == 1 && arguments[0].equals("migration")) {
                Migration.run(new Conf(folder));
            } else {
                writePid(folder.resolve("server.pid"));
                start(new Conf(folder), began);
            }
        } catch (Refusal | InterruptedException e) {
            Log.error(e.getMessage());
            System.exit(1);
        }
    }

    private static void writePid(Path file) throws Refusal {
        try {
            Files.createFile(file);
            Files.writeString(file, Long.toString(ProcessHandle.current().pid()));
        } catch (FileAlreadyExistsException e) {
            throw new Refusal("The server.pid already exists. Is the server already running?");
        } catch (IOException e) {
            throw new Refusal("server.pid cannot be written: " + e);
        }
    }

    private static void start(Conf conf, long began) throws Refusal, InterruptedException {
        String name = conf.text("application.name", "SPSE");
        Log.info("Starting " + conf.folder);
        Integrity integrity = Integrity.check(conf.folder);
        Pool pool = new Pool(conf);
        Documents documents = new Documents(conf);
        Jobs jobs = new Jobs(conf);
        Web web = new Web(conf, pool, documents, jobs, integrity);
        web.bind();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            Log.info("Shutting down, closing the connection pool");
            pool.close();
        }));
        connect(conf, pool, began);
        web.warm();
        sleepUntil(began, conf.seconds("standin.start_seconds", "SPSE_START_SECONDS", 0));
        web.open();
        Log.info("Application '" + name + "' is now started !");
        Log.info("Listening for HTTP on port " + conf.number("http.port", 9000) + " ...");
        jobs.start();
    }

    private static void connect(Conf conf, Pool pool, long began) throws Refusal, InterruptedException {
        long minimum = conf.number("standin.minimum_postgresql", 11);
        int version;
        try {
            version = pool.with(connection -> connection.getMetaData().getDatabaseMajorVersion());
        } catch (SQLException e) {
            // The real framework neither waits nor tries again; it takes this long to give up.
            sleepUntil(began, conf.seconds("standin.give_up_seconds", null, 7));
            throw new Refusal("Cannot connected to the database : " + e.getMessage());
        }
        if (version < minimum) {
            throw new Refusal("PostgreSQL " + version + " is not supported: SPSE needs version " + minimum + " or later");
        }
        Log.info("Connected to " + conf.text("db.url"));
    }

    private static void sleepUntil(long began, double seconds) throws InterruptedException {
        long left = began + (long) (seconds * 1e9) - System.nanoTime();
        if (left > 0) {
            Thread.sleep(left / 1_000_000, (int) (left % 1_000_000));
        }
    }
}
