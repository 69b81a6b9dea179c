package standin;

import java.time.LocalTime;
import java.time.format.DateTimeFormatter;

/** Log lines in the shape of the Play framework's: time, level, tilde, message. */
final class Log {
    private static final DateTimeFormatter TIME = DateTimeFormatter.ofPattern("HH:mm:ss,SSS");

    private Log() {}

    static void info(String message) {
        write("INFO ", message);
    }

    static void warn(String message) {
        write("WARN ", message);
    }

    static void error(String message) {
        write("ERROR", message);
    }

    private static synchronized void write(String level, String message) {
        System.out.println(LocalTime.now().format(TIME) + " " + level + " ~ " + message);
        System.out.flush();
    }
}
