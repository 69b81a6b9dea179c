package standin;

import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.Locale;

/** Takes the first file out of a multipart/form-data body, without holding it in memory. */
final class Multipart {
    private static final int LONGEST_LINE = 16_384;

    private Multipart() {}

    /** Returns the boundary that a Content-Type names, or null if it is no multipart body. */
    static String boundary(String contentType) throws Problem {
        if (contentType == null || !contentType.toLowerCase(Locale.ROOT).startsWith("multipart/form-data")) {
            return null;
        }
        for (String part : contentType.split(";")) {
            String item = part.trim();
            if (item.toLowerCase(Locale.ROOT).startsWith("boundary=")) {
                return item.substring("boundary=".length()).replace("\"", "");
            }
        }
        throw new Problem(400, "Permintaan tidak lengkap: boundary");
    }

    /** Copies the content of the first part that has a file name into out, and reads the body to its end. */
    static void copyFile(InputStream body, String boundary, OutputStream out) throws IOException, Problem {
        InputStream in = new BufferedInputStream(body, 1 << 16);
        byte[] delimiter = ("\r\n--" + boundary).getBytes(StandardCharsets.ISO_8859_1);
        String line = readLine(in);
        boolean found = false;
        while (line != null && !line.equals("--")) {
            boolean isFile = false;
            for (line = readLine(in); line != null && !line.isEmpty(); line = readLine(in)) {
                String header = line.toLowerCase(Locale.ROOT);
                isFile |= header.startsWith("content-disposition:") && header.contains("filename=");
            }
            copyUntil(in, delimiter, isFile && !found ? out : OutputStream.nullOutputStream());
            found |= isFile;
            line = readLine(in);
        }
        body.transferTo(OutputStream.nullOutputStream());
        if (!found) {
            throw new Problem(400, "Permintaan tidak lengkap: tidak ada berkas");
        }
    }

    private static String readLine(InputStream in) throws IOException, Problem {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (int b = in.read(); b != '\n'; b = in.read()) {
            if (b < 0) {
                return line.size() == 0 ? null : line.toString(StandardCharsets.UTF_8);
            }
            if (line.size() > LONGEST_LINE) {
                throw new Problem(400, "Permintaan tidak dapat dibaca");
            }
            if (b != '\r') {
                line.write(b);
            }
        }
        return line.toString(StandardCharsets.UTF_8);
    }

    /** The delimiter begins with the only carriage return in it, so a mismatch can only start anew at a carriage return. */
    private static void copyUntil(InputStream in, byte[] delimiter, OutputStream out) throws IOException, Problem {
        byte[] buffer = new byte[1 << 16];
        int used = 0;
        int matched = 0;
        while (matched < delimiter.length) {
            int b = in.read();
            if (b < 0) {
                throw new Problem(400, "Permintaan terpotong");
            }
            if (b == delimiter[matched]) {
                matched++;
                continue;
            }
            if (used + matched + 1 > buffer.length) {
                out.write(buffer, 0, used);
                used = 0;
            }
            System.arraycopy(delimiter, 0, buffer, used, matched);
            used += matched;
            matched = b == delimiter[0] ? 1 : 0;
            if (matched == 0) {
                buffer[used++] = (byte) b;
            }
        }
        out.write(buffer, 0, used);
    }
}
