package standin;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;

/**
 * What SPSE does on its own: mail and calls of central services, first at start, then every standin.job_seconds. Each attempt
 * is logged and counted, whether it succeeds or not, so that a drill can count what leaked.
 */
final class Jobs {
    private static final int TIMEOUT_MS = 3000;
    private final String mailHost;
    private final int mailPort;
    private final String centralUrl;
    private final long every;
    final AtomicLong mailAttempts = new AtomicLong();
    final AtomicLong mailSent = new AtomicLong();
    final AtomicLong centralAttempts = new AtomicLong();
    final AtomicLong centralAnswered = new AtomicLong();

    private interface Deed {
        void run() throws IOException;
    }

    Jobs(Conf conf) throws Refusal {
        mailHost = conf.text("mail.smtp.host", "");
        mailPort = (int) conf.number("mail.smtp.port", 25);
        centralUrl = conf.text("sikap.url", "");
        every = Math.max(1, conf.number("standin.job_seconds", 60));
    }

    void start() {
        ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor(task -> {
            Thread thread = new Thread(task, "jobs");
            thread.setDaemon(true);
            return thread;
        });
        clock.scheduleWithFixedDelay(this::round, 0, every, TimeUnit.SECONDS);
    }

    private void round() {
        if (!mailHost.isEmpty()) {
            attempt("mail to " + mailHost + ":" + mailPort, mailAttempts, mailSent, this::mail);
        }
        if (!centralUrl.isEmpty()) {
            attempt("call of " + centralUrl, centralAttempts, centralAnswered, this::call);
        }
    }

    private static void attempt(String what, AtomicLong attempts, AtomicLong successes, Deed deed) {
        attempts.incrementAndGet();
        try {
            deed.run();
            successes.incrementAndGet();
            Log.info("Job: " + what + " succeeded");
        } catch (IOException | RuntimeException e) {
            // A runtime fault (a malformed URL, say) must not end the schedule.
            Log.warn("Job: " + what + " failed: " + e.getMessage());
        }
    }

    private void mail() throws IOException {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(mailHost, mailPort), TIMEOUT_MS);
            socket.setSoTimeout(TIMEOUT_MS);
            BufferedReader in = new BufferedReader(
                    new InputStreamReader(socket.getInputStream(), StandardCharsets.US_ASCII));
            OutputStream out = socket.getOutputStream();
            expect(in, "220");
            say(out, in, "HELO spse", "250");
            say(out, in, "MAIL FROM:<spse@localhost>", "250");
            say(out, in, "RCPT TO:<panitia@localhost>", "250");
            say(out, in, "DATA", "354");
            say(out, in, "Subject: Pemberitahuan SPSE\r\n\r\nPemberitahuan terjadwal.\r\n.", "250");
            say(out, in, "QUIT", "221");
        }
    }

    private static void say(OutputStream out, BufferedReader in, String line, String code) throws IOException {
        out.write((line + "\r\n").getBytes(StandardCharsets.US_ASCII));
        out.flush();
        expect(in, code);
    }

    private static void expect(BufferedReader in, String code) throws IOException {
        String line = in.readLine();
        while (line != null && line.length() > 3 && line.charAt(3) == '-') {
            line = in.readLine();
        }
        if (line == null || !line.startsWith(code)) {
            throw new IOException("mail server said: " + line);
        }
    }

    private void call() throws IOException {
        HttpURLConnection connection = (HttpURLConnection) new URL(centralUrl).openConnection();
        connection.setConnectTimeout(TIMEOUT_MS);
        connection.setReadTimeout(TIMEOUT_MS);
        try {
            int status = connection.getResponseCode();
            if (status >= 400) {
                throw new IOException("HTTP " + status);
            }
        } finally {
            connection.disconnect();
        }
    }
}
