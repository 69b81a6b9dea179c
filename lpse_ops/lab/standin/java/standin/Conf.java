package standin;

import java.io.IOException;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;

/** webapp/conf/application.conf: read once, at start. */
final class Conf {
    private final Properties values = new Properties();
    final Path folder;

    Conf(Path folder) throws Refusal {
        this.folder = folder;
        Path file = folder.resolve("webapp/conf/application.conf");
        try (Reader reader = Files.newBufferedReader(file)) {
            values.load(reader);
        } catch (IOException e) {
            throw new Refusal("Configuration cannot be read: " + file);
        }
    }

    String text(String key) throws Refusal {
        String value = values.getProperty(key, "").trim();
        if (value.isEmpty()) {
            throw new Refusal("application.conf: " + key + " is missing");
        }
        return value;
    }

    String text(String key, String otherwise) {
        String value = values.getProperty(key, "").trim();
        return value.isEmpty() ? otherwise : value;
    }

    /** A value that the golden copy cannot know: its placeholder is refused. */
    String secret(String key) throws Refusal {
        String value = text(key);
        if (value.equals("CHANGE_ME")) {
            throw new Refusal("application.conf: " + key + " still holds the placeholder of the golden copy");
        }
        return value;
    }

    long number(String key, long otherwise) throws Refusal {
        String value = text(key, Long.toString(otherwise));
        try {
            return Long.parseLong(value);
        } catch (NumberFormatException e) {
            throw new Refusal("application.conf: " + key + " is not a whole number: " + value);
        }
    }

    double seconds(String key, String variable, double otherwise) throws Refusal {
        String value = variable == null ? null : System.getenv(variable);
        if (value == null || value.isBlank()) {
            value = text(key, Double.toString(otherwise));
        }
        try {
            return Double.parseDouble(value.trim());
        } catch (NumberFormatException e) {
            throw new Refusal("application.conf: " + key + " is not a number of seconds: " + value);
        }
    }

    /** http.path without a slash at its end: "" or "/eproc4". */
    String contextPath() {
        String path = text("http.path", "");
        while (path.endsWith("/")) {
            path = path.substring(0, path.length() - 1);
        }
        return path;
    }
}
