package standin;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.SQLException;
import java.util.UUID;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The HTTP side: routes under http.path, 503 until open, SPSE's error page for every fault. */
final class Web {
    private static final int THREADS = 32;
    private static final Pattern TENDER = Pattern.compile("/lelang/(\\d{1,18})/(jadwal|pengumumanlelang|penawaran)");
    private static final Pattern DOWNLOAD = Pattern.compile("/dl/([0-9a-f]+)");

    private final Conf conf;
    private final Pool pool;
    private final Documents documents;
    private final Links links;
    private final Offers offers;
    private final Pages pages;
    private final Status status;
    private final String context;
    private final String secret;
    private final String calendarFormat;
    private volatile boolean open;

    Web(Conf conf, Pool pool, Documents documents, Jobs jobs, Integrity integrity) throws Refusal {
        this.conf = conf;
        this.pool = pool;
        this.documents = documents;
        secret = conf.secret("application.secret");
        context = conf.contextPath();
        links = new Links(secret);
        offers = new Offers(pool, documents, links, context);
        pages = new Pages(context);
        status = new Status(conf, pool, jobs, integrity);
        // Java's pattern letters to PostgreSQL's.
        calendarFormat = conf.text("date.format", "dd-MM-yyyy HH:mm").replace("yyyy", "YYYY").replace("dd", "DD")
                .replace("HH", "HH24").replace("mm", "MI");
    }

    void bind() throws Refusal {
        String address = conf.text("http.address", "127.0.0.1");
        int port = (int) conf.number("http.port", 9000);
        try {
            HttpServer server = HttpServer.create(new InetSocketAddress(address, port), 256);
            server.setExecutor(new ThreadPoolExecutor(THREADS, THREADS, 60, TimeUnit.SECONDS, new LinkedBlockingQueue<>()));
            server.createContext("/", this::handle);
            server.start();
        } catch (IOException e) {
            throw new Refusal("Could not bind on port " + port + " (" + address + "): " + e.getMessage());
        }
    }

    /** Loads, before opening, what the first visitor would otherwise wait for. A missing schema is no reason not to start. */
    void warm() {
        try {
            pages.tenders(pool.with(Tenders::list));
            links.make(0);
        } catch (SQLException e) {
            Log.warn("Tables cannot be read, is the migration done? " + e.getMessage());
        }
    }

    void open() {
        open = true;
    }

    private void handle(HttpExchange exchange) throws IOException {
        try {
            if (!open) {
                Reply.text(exchange, 503, "Application is starting\n");
                return;
            }
            String path = exchange.getRequestURI().getPath();
            if (!path.equals(context) && !path.startsWith(context + "/")) {
                throw Problem.notFound();
            }
            route(exchange, path.substring(context.length()));
        } catch (Problem e) {
            Reply.html(exchange, e.status, pages.problem(e.getMessage()));
        } catch (IOException | SQLException | RuntimeException e) {
            fail(exchange, e);
        }
    }

    private void fail(HttpExchange exchange, Exception e) throws IOException {
        String code = UUID.randomUUID().toString().substring(0, 8);
        Log.error("@" + code + " " + exchange.getRequestMethod() + " " + exchange.getRequestURI().getPath() + ": " + e);
        if (exchange.getResponseCode() == -1) {
            Reply.html(exchange, 500, pages.error(code));
        } else {
            exchange.close();
        }
    }

    private void route(HttpExchange exchange, String path) throws IOException, SQLException, Problem {
        Matcher tender = TENDER.matcher(path);
        Matcher download = DOWNLOAD.matcher(path);
        if (path.startsWith("/@") || path.equals("/metrics")) {
            status.answer(exchange, path);
        } else if (path.isEmpty() || path.equals("/")) {
            page(exchange, pages.home());
        } else if (path.equals("/lelang") || path.equals("/lelang/")) {
            page(exchange, pages.tenders(pool.with(Tenders::list)));
        } else if (tender.matches()) {
            tender(exchange, Long.parseLong(tender.group(1)), tender.group(2));
        } else if (download.matches()) {
            download(exchange, links.open(download.group(1)));
        } else if (path.startsWith("/public/")) {
            asset(exchange, path.substring(1));
        } else {
            throw Problem.notFound();
        }
    }

    private void tender(HttpExchange exchange, long id, String what) throws IOException, SQLException, Problem {
        boolean post = exchange.getRequestMethod().equals("POST");
        if (post != what.equals("penawaran")) {
            throw new Problem(405, "Metode tidak diizinkan");
        }
        if (post) {
            Reply.json(exchange, 200, offers.receive(exchange, id));
            return;
        }
        Tenders.Tender found = pool.with(connection -> Tenders.one(connection, id));
        if (found == null) {
            throw Problem.notFound();
        }
        page(exchange, what.equals("jadwal")
                ? pages.calendar(found, pool.with(connection -> Tenders.calendar(connection, id, calendarFormat)))
                : pages.announcement(found));
    }

    /** Serves a document only if it is, byte for byte, the one whose hash the database holds. */
    private void download(HttpExchange exchange, long id) throws IOException, SQLException, Problem {
        Attachment attachment = pool.with(connection -> Attachment.find(connection, id));
        if (attachment == null) {
            throw Problem.notFound();
        }
        String found = documents.sha256(attachment.path());
        if (!found.equals(attachment.sha256())) {
            throw new IOException("Document " + attachment.path() + " is not the one in the database: sha256 " + found);
        }
        exchange.getResponseHeaders().set("Content-Disposition", "attachment; filename=\"" + attachment.name() + "\"");
        exchange.getResponseHeaders().set("Content-Type", "application/octet-stream");
        exchange.sendResponseHeaders(200, attachment.size() == 0 ? -1 : attachment.size());
        if (attachment.size() > 0) {
            try (InputStream in = documents.read(attachment.path());
                    OutputStream out = exchange.getResponseBody()) {
                in.transferTo(out);
            }
        }
    }

    private void asset(HttpExchange exchange, String name) throws IOException, Problem {
        Path folder = conf.folder.resolve("webapp/public");
        Path file = conf.folder.resolve("webapp").resolve(name).normalize();
        if (!file.startsWith(folder) || !Files.isRegularFile(file)) {
            throw Problem.notFound();
        }
        Reply.bytes(exchange, 200, name.endsWith(".css") ? "text/css" : "application/octet-stream", Files.readAllBytes(file));
    }

    private void page(HttpExchange exchange, String html) throws IOException {
        String cookies = exchange.getRequestHeaders().getFirst("Cookie");
        if (cookies == null || !cookies.contains("SPSE_SESSION=")) {
            String session = "id=" + UUID.randomUUID();
            exchange.getResponseHeaders().add("Set-Cookie", "SPSE_SESSION=" + Hashes.hex(Hashes.keyed(secret, session)) + "-"
                    + session + "; Path=" + (context.isEmpty() ? "/" : context) + "; HttpOnly");
        }
        Reply.html(exchange, 200, html);
    }
}
